const cards = JSON.parse(document.getElementById("cards").textContent);
const byId = (id) => document.getElementById(id);
let card = cards[0];
let example = 0;
let given = new Map();
let filling = false;

function shown(number) {
  if (typeof number !== "number") return String(number);
  return Number.isInteger(number) && Math.abs(number) < 1e15 ? number.toLocaleString("en") : String(Number(number.toPrecision(4)));
}

function fields() {
  const box = byId("fields");
  box.replaceChildren();
  given = new Map();
  card.columns.forEach((column, place) => {
    const holder = element("div", undefined, ["window", "long text"].includes(column.input) ? "wide" : undefined);
    const label = element("label", column.name + " ");
    label.append(element("small", fieldNote(column)));
    label.htmlFor = `field-${place}`;
    const made = field(column, label.htmlFor, requests);
    given.set(column.name, made);
    holder.append(label, ...made.nodes);
    box.append(holder);
  });
  fill();
}

function fill() {
  const row = card.examples[example % card.examples.length];
  filling = true;
  given.forEach((one, name) => one.set(row[name]));
  filling = false;
  requests();
}

function row() {
  const values = {};
  given.forEach((one, name) => { values[name] = one.get(); });
  return values;
}

function json(values) {
  const parts = Object.entries(values).map(([name, value]) => {
    const whole = value !== null && typeof value === "object" && !Array.isArray(value) && "whole" in value;
    return `${JSON.stringify(name)}: ${whole ? value.whole : JSON.stringify(value)}`;
  });
  return `{${parts.join(", ")}}`;
}

function abridged(body) {
  // a page that holds a photograph as text can hardly be read
  return body.replace(/("b64":"[A-Za-z0-9+\/]{60})[A-Za-z0-9+\/=]{200,}"/g, '$1..."');
}

function path() { return `/${encodeURIComponent(card.name)}`; }

function requests() {
  if (filling) return;
  const whole = json(row());
  const body = abridged(whole);
  byId("abridged").hidden = body === whole;
  byId("curl").textContent = `curl -s ${location.origin}${path()} -d '${body.replaceAll("'", "'\\''")}'`;
  byId("python").textContent =
    "import json, urllib.request\n\n" +
    `row = json.loads(r'''${body.replaceAll("'''", "\\u0027\\u0027\\u0027")}''')\n` +
    `request = urllib.request.Request("${location.origin}${path()}", json.dumps(row).encode())\n` +
    "print(json.load(urllib.request.urlopen(request)))";
}

function parsedAnswer(text) {
  // the protocol has NaN and Infinity, which JSON has not
  try { return JSON.parse(text); } catch {
    return JSON.parse(text.replace(/([:[,]\s*)(NaN|-?Infinity)(?=\s*[,\]}])/g, '$1"$2"'));
  }
}

async function ask(where) {
  const answer = await fetch(where, { method: "POST", body: json(row()), headers: { "Content-Type": "application/json" } });
  return parsedAnswer(await answer.text());
}

function bars(pairs, signed) {
  const box = element("div", undefined, "bars");
  const most = signed ? Math.max(...pairs.map(([, value]) => Math.abs(value)), 1e-12) : 1;
  for (const [name, value] of pairs) {
    const track = element("div", undefined, "track");
    const bar = element("div", undefined, signed && value < 0 ? "bar less" : "bar");
    const share = 100 * Math.min(1, Math.abs(value) / most);
    if (signed) {
      bar.style.width = `${share / 2}%`;
      bar.style.left = value < 0 ? `${50 - share / 2}%` : "50%";
      const zero = element("div", undefined, "zero");
      zero.style.left = "50%";
      track.append(bar, zero);
    } else {
      bar.style.width = `${share}%`;
      track.append(bar);
    }
    const number = signed && value > 0 ? `+${shown(value)}` : shown(value);
    box.append(element("span", name), track, element("span", number, "number"));
  }
  return box;
}

function interval(low, point, high) {
  const box = element("div");
  const line = element("div", undefined, "interval");
  const range = element("div", undefined, "range");
  const mark = element("div", undefined, "point");
  const share = high > low ? Math.min(1, Math.max(0, (point - low) / (high - low))) : 0.5;
  mark.style.left = `${15 + 70 * share}%`;
  line.append(range, mark);
  const ends = element("div", undefined, "ends");
  ends.append(element("span", shown(low)), element("span", shown(high)));
  box.append(line, ends);
  return box;
}

function drawHead(head, answer, box, drawn) {
  const prefix = head.name ? `${head.name}_` : "";
  if (head.name) box.append(element("h3", head.name));
  const of = (name) => answer[prefix + name];
  const label = of("label");
  if (label !== undefined) { box.append(element("p", shown(label), "big")); drawn.add(`${prefix}label`); }
  const probabilities = of("probabilities");
  if (Array.isArray(probabilities) && head.classes && probabilities.every((value) => typeof value === "number")) {
    const pairs = head.classes.map((name, place) => [name, probabilities[place]]);
    pairs.sort((one, other) => other[1] - one[1]);
    box.append(bars(pairs.slice(0, 20), false));
    if (pairs.length > 20) box.append(element("p", `and ${pairs.length - 20} more classes`, "note"));
    drawn.add(`${prefix}probabilities`);
  }
  const prediction = of("prediction");
  if (typeof prediction === "number") {
    box.append(element("p", `${head.targets.join(", ")}: ${shown(prediction)}`, "big"));
    drawn.add(`${prefix}prediction`);
    const [low, high] = [of("low"), of("high")];
    if (typeof low === "number" && typeof high === "number") {
      box.append(interval(low, prediction, high));
      drawn.add(`${prefix}low`).add(`${prefix}high`);
    }
  }
  const chosen = of("prediction_set");
  if (Array.isArray(chosen) && head.classes && chosen.length === head.classes.length) {
    const names = head.classes.filter((_, place) => chosen[place]);
    box.append(element("p", `One of: ${names.length ? names.join(", ") : "none of the classes"}`));
    drawn.add(`${prefix}prediction_set`).add(`${prefix}set_size`);
  }
}

function draw(answer) {
  const box = byId("answer");
  box.replaceChildren();
  if (answer.error) { box.append(element("p", answer.error, "error")); return; }
  for (const warning of answer.warnings || []) box.append(element("p", warning, "error"));
  const drawn = new Set(["warnings"]);
  for (const head of card.heads) drawHead(head, answer, box, drawn);
  const rest = Object.entries(answer).filter(([name]) => !drawn.has(name));
  if (rest.length) {
    const table = element("table");
    for (const [name, value] of rest) {
      const line = element("tr");
      const head = element("th", name);
      head.scope = "row";
      line.append(head, element("td", Array.isArray(value) ? value.map(shown).join(", ") : shown(value)));
      table.append(line);
    }
    const scroll = element("div", undefined, "scroll");
    scroll.append(table);
    box.append(scroll);
  }
}

function drawWhy(found) {
  const box = byId("why");
  box.replaceChildren(element("h3", "Why"));
  if (found.error) { box.append(element("p", found.error, "error")); return; }
  const of = found.target === null ? found.output : `${found.output} of ${found.target}`;
  box.append(element("p", `What each value adds to ${of}, against other rows.`, "note"));
  const booleans = new Set(card.columns.filter((one) => one.input === "boolean").map((one) => one.name));
  const said = (one) => {
    if (one.value === null) return "missing";
    return booleans.has(one.column) ? String(Boolean(one.value)) : shown(one.value);
  };
  const pairs = found.contributions.slice(0, 15).map((one) => [`${one.column} = ${said(one)}`, one.weight]);
  box.append(bars(pairs, true));
  box.append(element("p", `A linear model around this row, as LIME draws it; it fits the model's answers near here to R2 = ${shown(found.fidelity)}. ${found.background}`, "note"));
}

async function during(button, work) {
  button.disabled = true;
  try { await work(); } catch (error) { draw({ error: `The server does not answer: ${error.message}` }); }
  button.disabled = false;
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("why").replaceChildren();
  during(event.submitter || byId("form").querySelector("[type=submit]"), async () => draw(await ask(path())));
});
byId("next").addEventListener("click", () => { example += 1; fill(); });
byId("explain").addEventListener("click", (event) => {
  during(event.target, async () => drawWhy(await ask(`/page/explain${path()}`)));
});

function choose(name) {
  card = cards.find((one) => one.name === name) || cards[0];
  example = 0;
  byId("title").textContent = card.name;
  const targets = card.heads.flatMap((head) => head.targets).join(", ");
  byId("subtitle").textContent = `Version ${card.version}, answers ${targets || "rows"} from ${card.columns.length} columns`;
  document.title = `${card.name}: try the model`;
  byId("answer").replaceChildren(element("p", "Nothing was asked yet.", "note"));
  byId("why").replaceChildren();
  fields();
}

if (cards.length > 1) {
  byId("choice").hidden = false;
  for (const one of cards) {
    const option = element("option", one.name);
    option.value = one.name;
    byId("model").append(option);
  }
  byId("model").addEventListener("change", (event) => choose(event.target.value));
}
if (cards.length) choose(cards[0].name);
