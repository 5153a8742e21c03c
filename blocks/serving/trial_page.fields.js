"use strict";
// A field of the form: what a person gives a column's value by. Each is { nodes, set(value), get() }, of JSON values.

function element(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function asText(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function asNumber(text) {
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

function parsedText(column, text) {
  if (column.kind === "list") {
    if (text === "") return null;
    try { return JSON.parse(text); } catch { return text; }
  }
  if (column.kind === "string") {
    // bytes that are no text are shown, and sent, as base64
    if (/^\{"b64":"[A-Za-z0-9+\/=]*"\}$/.test(text)) return JSON.parse(text);
    return text;
  }
  if (text === "") return null;
  if (column.input === "number") return text === "true" || text === "false" ? text === "true" : asNumber(text);
  // whole numbers beyond 2^53 would be rounded: written into the request as they are
  return /^-?\d+$/.test(text) ? { whole: text } : text;
}

function lineField(column, id, changed) {
  const long = column.input === "long text";
  const input = element(long ? "textarea" : "input");
  if (long) input.rows = 4; else input.type = "text";
  input.id = id;
  if (column.input === "number") input.inputMode = "decimal";
  input.addEventListener("input", changed);
  return { nodes: [input], set: (value) => { input.value = asText(value); }, get: () => parsedText(column, input.value) };
}

function booleanField(column, id, changed) {
  const select = element("select");
  select.id = id;
  for (const [value, text] of [["", "missing"], ["true", "true"], ["false", "false"]]) {
    const option = element("option", text);
    option.value = value;
    select.append(option);
  }
  select.addEventListener("change", changed);
  return {
    nodes: [select],
    // golden rows hold a boolean as the graph does: 1 and 0, and others that are neither
    set: (value) => { select.value = value === null || value === undefined ? "" : String(Boolean(value)); },
    get: () => select.value === "" ? null : select.value === "true",
  };
}

function windowField(column, id, changed) {
  const length = column.shape.reduce((one, other) => one * other, 1);
  const input = element("input");
  input.type = "text";
  input.id = id;
  const drawn = document.getElementById("drawing").content.firstElementChild.cloneNode(true);
  const count = element("small");
  const get = () => {
    if (input.value.trim() === "") return null;
    return input.value.split(",").map((one) => ["", "null", "missing"].includes(one.trim()) ? null : asNumber(one.trim()));
  };
  const draw = () => {
    const values = get() || [];
    count.textContent = values.length && values.length !== length ? `${values.length} of ${length}` : "";
    const known = values.filter((one) => typeof one === "number");
    const low = Math.min(...known), high = Math.max(...known);
    // a gap in the line where a value is missing
    let path = "", begun = false;
    values.forEach((one, place) => {
      if (typeof one !== "number") { begun = false; return; }
      const x = values.length > 1 ? 100 * place / (values.length - 1) : 50;
      const y = high > low ? 22 - 20 * (one - low) / (high - low) : 12;
      path += `${begun ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}${begun ? "" : "h.01"}`;
      begun = true;
    });
    drawn.querySelector("path").setAttribute("d", path);
    drawn.style.display = path ? "" : "none";
  };
  input.addEventListener("input", () => { draw(); changed(); });
  return {
    nodes: [input, drawn, count],
    set: (value) => {
      input.value = Array.isArray(value) ? value.map((one) => one === null ? "" : String(one)).join(", ") : "";
      // a window of nothing but missing values is a missing one
      if (Array.isArray(value) && value.every((one) => one === null)) input.value = "";
      draw();
    },
    get,
  };
}

function imageField(column, id, changed) {
  const input = element("input");
  input.type = "file";
  input.id = id;
  input.accept = "image/*";
  const preview = element("img", undefined, "preview");
  preview.alt = "";
  preview.hidden = true;
  const clear = element("button", "No image");
  clear.type = "button";
  clear.hidden = true;
  const said = element("small");
  let content = "";
  const show = (text) => {
    content = text;
    preview.hidden = clear.hidden = !text;
    said.textContent = "";
    if (text) preview.src = `data:;base64,${text}`; else preview.removeAttribute("src");
    changed();
  };
  preview.addEventListener("error", () => {
    preview.hidden = true;
    said.textContent = "The browser shows no such image; the model may read it.";
  });
  let reading = 0;
  input.addEventListener("change", () => {
    const file = input.files[0];
    if (!file) return;
    const turn = ++reading;  // of two files chosen in a row the later one counts, whichever is read first
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      if (turn === reading) show(reader.result.slice(reader.result.indexOf(",") + 1));
    });
    reader.addEventListener("error", () => { said.textContent = "The file cannot be read."; });
    reader.readAsDataURL(file);
  });
  clear.addEventListener("click", () => { reading += 1; input.value = ""; show(""); });
  return {
    nodes: [input, preview, clear, said],
    set: (value) => { reading += 1; input.value = ""; show(value && value.b64 ? value.b64 : ""); },
    get: () => content ? { b64: content } : null,
  };
}

function field(column, id, changed) {
  const make = { boolean: booleanField, image: imageField, window: windowField }[column.input] || lineField;
  return make(column, id, changed);
}

function fieldNote(column) {
  if (column.input === "window") return `${column.shape.join(" x ")} numbers, by commas`;
  if (column.input === "boolean") return "true or false";
  return column.input === "image" ? "an image" : column.means;
}
