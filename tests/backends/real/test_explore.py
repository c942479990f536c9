import pytest


def diff(a, b):
    cells = [c for c in a.logprobs if c in b.logprobs]
    d = [max(abs(x - y) for x, y in zip(a.logprobs[c], b.logprobs[c])) for c in cells]
    flips = [c for c in a.predictions if a.predictions[c] != b.predictions[c]]
    return len(cells), max(d, default=None), sum(d) / max(1, len(d)), len(flips), len(a.predictions)


def test_x(file, directory, server, ran, capsys):
    r = {}
    for t in ("auto", "none"):
        r["file", t] = ran(str(file), dtype="float32", chat_template=t)
        r["dir", t] = ran(str(directory), dtype="float32", chat_template=t)
        r["lmeval", t] = ran(
            "lm-eval:hf",
            options={"pretrained": str(directory), "dtype": "float32"},
            chat_template=t,
        )
        r["server", t] = ran(f"openai:m@{server}", chat_template=t)
        r["text", t] = ran(f"openai:m@{server}", chat_template=t, options={"scoring": "text"})
    with capsys.disabled():
        for k, v in r.items():
            print(
                k,
                len(v.predictions),
                len(v.logprobs),
                v.manifest.attempts[-1].engine.get("scoring"),
                v.manifest.notes,
                v.manifest.counts,
            )
            print("   vs file", diff(r["file", k[1]], v))
            print(list(v.predictions.items())[:3], list(v.logprobs.items())[:2])
