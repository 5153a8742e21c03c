"""What NVIDIA's client says of a server, in an environment of its own. Takes a URL and columns; prints the answers."""

import json
import sys

import numpy as np


def main():
    """Ask by bytes and by JSON; print both answers and what the model says of itself."""
    import tritonclient.http as http

    url, columns = sys.argv[1], json.loads(sys.argv[2])
    client = http.InferenceServerClient(url)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("income")
    kinds = {"FP64": np.float64, "FP32": np.float32, "INT64": np.int64}
    found = {"metadata": client.get_model_metadata("income"), "config": client.get_model_config("income")}
    found["index"] = client.get_model_repository_index()
    found["statistics"] = client.get_inference_statistics("income")
    described = found["metadata"]["inputs"]
    for binary in (True, False):
        inputs = []
        for one in described:
            values = columns[one["name"]]
            if one["datatype"] == "BYTES":
                array = np.array([value.encode() for value in values], object)
            else:
                array = np.array([np.nan if value is None else value for value in values], kinds[one["datatype"]])
            made = http.InferInput(one["name"], [len(values)], one["datatype"])
            made.set_data_from_numpy(array, binary_data=binary)
            inputs.append(made)
        outputs = [http.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label")]
        for options in ({}, {"request_compression_algorithm": "gzip"}, {"outputs": outputs}):
            answer = client.infer("income", inputs, **options)
            labels = answer.as_numpy("label").tolist()
            found[f"{'bytes' if binary else 'json'} {sorted(options)}"] = {
                "probabilities": answer.as_numpy("probabilities").tolist(),
                "label": [label.decode() if isinstance(label, bytes) else label for label in labels],
            }
    try:
        client.infer("nobody", [])
    except http.InferenceServerException as error:
        found["error"] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
