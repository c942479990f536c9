"""CPU seconds of evalkit's Transformers backend beside lm-eval's `hf` backend, on the same models
and prompts in one run.

    OMP_NUM_THREADS=1 python benchmarks/engine.py
    OMP_NUM_THREADS=1 python benchmarks/engine.py --scaling scaling.csv
    OMP_NUM_THREADS=1 python benchmarks/engine.py --model FILE.gguf --data DIR --phrasings 10
    --instances 5

Without --model, models are random ones of about 20 million parameters, made on the spot, float32.
Loading is not counted; tokenisation, the start-up proof and the measuring of costs are. lm-eval
runs with the faster of its batch sizes 1 and 16, tried on the first prompts.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine_real import as_directory, real
from engine_workloads import Workload, corpus, generation, make_model, prompts

from evalkit.records import Ask, ModelSpec, Request, Response

GOALS = {
    "causal long": {"lm-eval": 4.0, "per choice": 3.5},
    "causal letters": {"lm-eval": 2.5, "per choice": 4.0},
    "causal letters, five shots": {"lm-eval": 2.5},
    "causal letters, bracketed": {"lm-eval": 2.5},
    "encoder-decoder long": {"lm-eval": 3.0},
    "encoder-decoder letters": {"lm-eval": 4.0},
    "generation": {"lm-eval": 1.8},
}
TOKENS = ("naive", "planned", "computed", "reused", "generated", "forwards")
"""What a backend counts."""


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds of the process and what `action` returned."""
    start = time.process_time()
    found = action()
    return time.process_time() - start, found


def workloads(models: dict[str, Path], *, phrasings: int, instances: int) -> list[Workload]:
    """Return the workloads of the table."""
    size: dict[str, Any] = {
        "phrasings": phrasings,
        "instances": instances,
        "choices": 4,
        "instruction": 21,
        "first": "instruction",
    }
    long = tuple(prompts(**size, body=83, letters=False))
    letters = tuple(prompts(**size, body=79, letters=True))
    fewer = tuple(prompts(**{**size, "instances": max(1, instances // 5)}, body=83, letters=False))
    stop = calibrated_stop(models["causal"], [request.text for request in fewer[:20]])
    return [
        Workload("causal long", "causal", long),
        Workload("causal letters", "causal", letters),
        Workload("encoder-decoder long", "encoder-decoder", long),
        Workload("encoder-decoder letters", "encoder-decoder", letters),
        Workload("generation", "causal", tuple(generation(fewer, stop=stop, max_tokens=56))),
    ]


def calibrated_stop(model: Path, texts: Sequence[str], mean: float = 9.4) -> list[str]:
    """Return stop texts that end this random model's answers after about `mean` tokens."""
    import torch
    import transformers as tf

    tokenizer, net = (
        tf.AutoTokenizer.from_pretrained(model),
        tf.AutoModelForCausalLM.from_pretrained(model).eval(),
    )
    rows = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            out = net.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=56, do_sample=False
            )[0, ids.shape[1] :]
        rows.append([tokenizer.decode(out[:n]) for n in range(1, len(out) + 1)])
    chosen: list[str] = []
    letters = "zxvwgkqjyfbhmpucdltnsriaeo"
    while len(chosen) < len(letters):
        lengths = [
            next(
                (n for n, text in enumerate(row, 1) if any(stop in text for stop in chosen)),
                len(row),
            )
            for row in rows
        ]
        if sum(lengths) / len(lengths) <= mean:
            break
        chosen.append(letters[len(chosen)])
    return chosen


def ours(
    model: Path, requests: Sequence[Request], *, apart: bool = False, **options: Any
) -> tuple[float, list[Response], dict[str, Any]]:
    """CPU seconds, responses in order and statistics of evalkit.

    `apart`: the start-up proof, with a few prompts, before and beside these seconds, as ``start``.
    """
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(
        ModelSpec(
            backend="hf",
            name=str(model),
            device="cpu",
            dtype="float32",
            chat_template="none",  # as lm-eval asks
            options=options,
        )
    )
    if apart:
        start, _ = timed(lambda: warm(backend, requests))
    before = {name: backend.stats[name] for name in TOKENS} if apart else dict.fromkeys(TOKENS, 0)
    seconds, found = timed(
        lambda: {r.key: r for batch in backend.run(list(map(Ask, requests))) for r in batch}
    )
    stats = {**backend.stats, **({"start": start} if apart else {})}
    stats |= {name: stats[name] - before[name] for name in TOKENS}
    return seconds, [found[request.key] for request in requests], stats


def warm(backend: Any, requests: Sequence[Request]) -> None:
    """Let a backend choose and prove its path on a few requests."""
    for _ in backend.run(list(map(Ask, requests[:16]))):
        pass


def lm_eval_instances(requests: Sequence[Request]) -> list[Any]:
    """Requests as lm-eval takes them."""
    from lm_eval.api.instance import Instance

    found = []
    for i, request in enumerate(requests):
        if request.kind == "choice":
            found += [
                Instance(
                    request_type="loglikelihood",
                    doc={},
                    arguments=(request.text, choice),
                    idx=i,
                    metadata=("t", i, 1),
                )
                for choice in request.continuations
            ]
        else:
            settings = {
                "until": list(request.stop),
                "max_gen_toks": request.max_tokens,
                "do_sample": False,
            }
            found.append(
                Instance(
                    request_type="generate_until",
                    doc={},
                    arguments=(request.text, settings),
                    idx=i,
                    metadata=("t", i, 1),
                )
            )
    return found


def lm_eval(model: Path, requests: Sequence[Request]) -> tuple[float, list[Any], int]:
    """CPU seconds, answers and batch size of lm-eval's `hf` backend."""
    from lm_eval.models.huggingface import HFLM

    def run(size: int, chosen: Sequence[Request]) -> tuple[float, list[Any]]:
        lm = HFLM(pretrained=str(model), device="cpu", dtype="float32", batch_size=size)
        asked = lm_eval_instances(chosen)
        if requests[0].kind == "generate":
            return timed(lambda: lm.generate_until(asked, disable_tqdm=True))
        return timed(lambda: [score for score, _ in lm.loglikelihood(asked, disable_tqdm=True)])

    trial = requests[: max(8, len(requests) // 16)]
    size = min((1, 16), key=lambda n: run(n, trial)[0])
    seconds, found = run(size, requests)
    return seconds, found, size


def per_choice(model: Path, requests: Sequence[Request]) -> tuple[float, list[float]]:
    """CPU seconds and scores of one row per choice in batches of 32, logits everywhere."""
    import torch
    import transformers as tf

    tokenizer, net = (
        tf.AutoTokenizer.from_pretrained(model),
        tf.AutoModelForCausalLM.from_pretrained(model).eval(),
    )

    def run() -> list[float]:
        rows = []
        for request in requests:
            n = len(tokenizer(request.text)["input_ids"])
            rows += [
                (ids, n)
                for ids in tokenizer([request.text + choice for choice in request.continuations])[
                    "input_ids"
                ]
            ]
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i][0]))
        found = [0.0] * len(rows)
        for start in range(0, len(order), 32):
            batch = order[start : start + 32]
            width = max(len(rows[i][0]) for i in batch)
            ids = torch.zeros(len(batch), width, dtype=torch.long)
            for row, i in enumerate(batch):
                ids[row, : len(rows[i][0])] = torch.tensor(rows[i][0])
            with torch.inference_mode():
                logprobs = torch.log_softmax(net(ids, use_cache=False).logits, -1)
            for row, i in enumerate(batch):
                whole, n = rows[i]
                found[i] = float(logprobs[row, range(n - 1, len(whole) - 1), whole[n:]].sum())
        return found

    return timed(run)


def agreement(
    requests: Sequence[Request], responses: Sequence[Response], other: Sequence[Any]
) -> dict[str, Any]:
    """How far two sets of answers agree."""
    if requests[0].kind == "generate":
        return {
            "same texts": sum(r.text == o for r, o in zip(responses, other, strict=True)),
            "of": len(requests),
        }
    scores = iter(other)
    worst, changed = 0.0, 0
    for request, response in zip(requests, responses, strict=True):
        row = [next(scores) for _ in request.continuations]
        worst = max(worst, *(abs(a - b) for a, b in zip(response.logprobs, row, strict=True)))
        changed += max(range(len(row)), key=row.__getitem__) != max(
            range(len(row)), key=response.logprobs.__getitem__
        )
    return {"largest difference, nat": worst, "changed decisions": changed, "of": len(requests)}


def compare(
    workload: Workload, model: Path, *, contenders: Sequence[str], apart: bool = False
) -> dict[str, Any]:
    """Run one workload with every contender."""
    requests = workload.requests
    seconds, responses, stats = ours(model, requests, apart=apart)
    row: dict[str, Any] = {"workload": workload.name, "requests": len(requests), "evalkit": seconds}
    row["tokens"] = {name: stats[name] for name in TOKENS}
    row["start"] = stats.get("start", 0.0)
    row["padding"] = stats["computed"] / stats["planned"] - 1
    row["mean prompt"] = sum(r.prompt_tokens for r in responses) / len(responses)
    row["path"], row["costs"], row["seconds"] = stats["path"], stats["costs"], stats["seconds"]
    if "lm-eval" in contenders:
        other, found, size = lm_eval(model, requests)
        row["lm-eval"] = {
            "seconds": other,
            "batch": size,
            "ratio": other / seconds,
            **agreement(requests, responses, found),
        }
    if "per choice" in contenders and workload.model == "causal" and requests[0].kind == "choice":
        other, scores = per_choice(model, requests)
        row["per choice"] = {
            "seconds": other,
            "ratio": other / seconds,
            **agreement(requests, responses, scores),
        }
    for name, goal in GOALS[workload.name].items():
        if name in row:
            row[name]["goal"] = goal
    return row


def scaling(model: Path, only: str = "") -> list[dict[str, float]]:
    """Return cost and memory against phrasings, instances, choices and prompt length, one varied
    at a time.
    """
    base = {"phrasings": 5, "instances": 8, "choices": 4, "body": 50}
    # instances first and upwards, so that the peak of the process tells whether memory grows with
    # them
    steps = {
        "instances": (4, 16, 64, 256, 512),
        "phrasings": (1, 2, 4, 8),
        "choices": (2, 4, 8),
        "body": (25, 50, 100, 200),
    }
    rows = []
    for name, values in ((name, values) for name, values in steps.items() if only in name):
        for value in values:
            size: dict[str, Any] = {**base, name: value}
            for first in ("instruction", "instance"):
                requests = prompts(**size, instruction=18, letters=False, first=first)
                seconds, _, stats = ours(model, requests)
                rows.append(
                    {
                        "varied": name,
                        "first": first,
                        **size,
                        "seconds": seconds,
                        "naive": stats["naive"],
                        "planned": stats["planned"],
                        "computed": stats["computed"],
                        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                    }
                )
                print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Run what was asked for and print it as a table and as JSON lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--phrasings", type=int, default=10)
    parser.add_argument("--instances", type=int, default=100)
    parser.add_argument(
        "--only", default="", help="run workloads, or vary sizes, whose name holds this"
    )
    parser.add_argument("--contenders", default="lm-eval,per choice")
    parser.add_argument(
        "--model", type=Path, help="a causal model of yours: a directory or GGUF file"
    )
    parser.add_argument("--data", type=Path, help="data directory with MMLU and BBH, for --model")
    parser.add_argument(
        "--scaling",
        type=Path,
        help="write cost against size to this CSV file instead, and a figure beside it",
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import torch
    from transformers.utils import logging as library

    library.disable_progress_bar()
    torch.set_num_threads(1)
    names = ("evalkit", "torch", "transformers", "tokenizers", "lm-eval")
    print(
        json.dumps(
            {
                "machine": platform.processor() or platform.machine(),
                "python": sys.version.split()[0],
                **{n: installed(n) for n in names},
            }
        )
    )
    with tempfile.TemporaryDirectory() as directory:
        chosen, models = chosen_work(args, Path(directory))
        if args.scaling:
            rows = scaling(models["causal"], args.only)
            write_csv(args.scaling, rows)
            draw(args.scaling.with_suffix(".svg"), rows)
            return
        for workload in chosen:
            if args.only in workload.name:
                row = compare(
                    workload,
                    models[workload.model],
                    contenders=args.contenders.split(","),
                    apart=bool(args.model),
                )
                row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(json.dumps(row), flush=True)


def chosen_work(
    args: argparse.Namespace, directory: Path
) -> tuple[list[Workload], dict[str, Path]]:
    """Return what is asked of which models: real questions of the model that was named,
    else random ones.
    """
    if args.model:
        size = {"phrasings": args.phrasings, "instances": args.instances, "data": args.data}
        return real(**size), {"causal": as_directory(args.model, directory / "model")}
    texts = corpus()
    models = {kind: make_model(directory, kind, texts) for kind in ("causal", "encoder-decoder")}
    if args.scaling:
        return [], models
    return workloads(models, phrasings=args.phrasings, instances=args.instances), models


def installed(name: str) -> str:
    """Version of a distribution, or that it is not installed as one."""
    try:
        return version(name)
    except ModuleNotFoundError:
        return "not installed"


def draw(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Draw CPU seconds against each size, and tokens as computed beside naively scored ones."""
    import matplotlib

    matplotlib.use("svg")
    import numpy as np
    from matplotlib import pyplot as plt

    names = {
        "phrasings": "phrasings",
        "instances": "instances",
        "choices": "choices",
        "body": "words of instance text",
    }
    names = {
        name: label for name, label in names.items() if any(row["varied"] == name for row in rows)
    }
    figure, axes = plt.subplots(
        1, len(names), figsize=(3.25 * len(names), 3.2), layout="constrained"
    )
    for axis, (name, label) in zip(np.atleast_1d(axes), names.items(), strict=True):
        for first, mark in (("instruction", "o-"), ("instance", "s--")):
            chosen = [row for row in rows if row["varied"] == name and row["first"] == first]
            axis.plot(
                [row[name] for row in chosen],
                [row["seconds"] for row in chosen],
                mark,
                label=f"{first} first",
            )
        reference = [row for row in rows if row["varied"] == name and row["first"] == "instruction"]
        rate = sum(row["seconds"] for row in reference) / sum(row["computed"] for row in reference)
        axis.plot(
            [row[name] for row in reference],
            [row["naive"] * rate for row in reference],
            ":",
            color="grey",
            label="every choice apart",
        )
        axis.set(xlabel=label, xscale="log", yscale="log")
    figure.axes[0].set_ylabel("CPU seconds")
    figure.axes[0].legend()
    figure.savefig(path, metadata={"Date": None})


def write_csv(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """Write rows with a header."""
    import csv

    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
