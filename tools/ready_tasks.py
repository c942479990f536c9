"""Tasks over published tables that are read by their columns:
what `generate_tasks.py` writes of them.

Layouts are facts of the published files and their cards; phrasings and descriptions are our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptbench_tasks import Spec, facts

__all__ = ["bbq", "bigbench", "cuad", "exams", "finance", "medicine", "passages", "reasoning"]

_LETTERS: Mapping[str, Any] = {
    "kind": "choice",
    "fields": ["question"],
    "metric": "choice_accuracy",
}


def _task(
    benchmark: str,
    name: str,
    source: Spec,
    rest: Mapping[str, Any],
    **said: Any,
) -> Spec:
    """Return a task over a table: where it lies, how it is asked, what a reader must know."""
    given = {"benchmark": benchmark, "version": 1, "reader": "table", "source": source}
    return {"name": name, **given, **rest, **said}


def _hub(hub: str, revision: str, files: list[str], local: str, **options: Any) -> Spec:
    """Return a source on the hub, by commit, that may also lie in a folder of its own."""
    return {"local": local, "hub": hub, "revision": revision, "files": files, "options": options}


MMLU_PRO = {
    "biology": 717, "business": 789, "chemistry": 1132, "computer science": 410, "economics": 844,
    "engineering": 969, "health": 818, "history": 381, "law": 1101, "math": 1351, "other": 924,
    "philosophy": 499, "physics": 1299, "psychology": 798,
}  # fmt: skip
"""Category -> questions of the test split."""


def exams() -> Iterator[Spec]:
    """Yield MMLU-Pro, ARC, GPQA and TruthfulQA."""
    for category, n in MMLU_PRO.items():
        yield _task(
            "mmlu_pro",
            category.replace(" ", "_"),
            _hub(
                "TIGER-Lab/MMLU-Pro",
                "3373e0b32277875b8db2aa555a333b78a08477ea",
                ["data/{split}-00000-of-00001.parquet"],
                "mmlu_pro/{split}.jsonl",
                columns={"id": "question_id", "choices": "options", "target": "answer_index"},
                target_is="index",
                only={"category": category},
            ),
            _LETTERS,
            split="test",
            shot_split="validation",
            phrasings=["general"],
            subject="general knowledge" if category == "other" else category,
            description=f"Pick the correct one of up to ten choices for a hard question ({category}).",  # noqa: E501
            n_instances=n,
            licence="MIT",
            citation="Wang et al., MMLU-Pro, NeurIPS 2024, arXiv:2406.01574",
        )
    for name, part, n in (("challenge", "Challenge", 1172), ("easy", "Easy", 2376)):
        yield _task(
            "arc",
            name,
            _hub(
                "allenai/ai2_arc",
                "210d026faf9955653af8916fad021475a3f00453",
                [f"ARC-{part}/{{split}}-00000-of-00001.parquet"],
                f"ARC-V1-Feb2018-2/ARC-{part}/ARC-{part}-{{split}}.jsonl",
                columns={
                    "id": "id",
                    "question": "question.stem | question",
                    "choices": "question.choices | choices",
                    "target": "answerKey",
                },
                target_is="letter",
                splits={"test": "Test", "validation": "Dev", "train": "Train"},
            ),
            _LETTERS,
            split="test",
            shot_split="train",
            phrasings=["general"],
            subject="school science",
            description=f"Pick the correct choice for a science question of the {name} part.",
            n_instances=n,
            licence="CC-BY-SA-4.0",
            citation="Clark et al., Think you have Solved Question Answering?, 2018, arXiv:1803.05457",  # noqa: E501
        )
    wrong = [f"Incorrect Answer {number}" for number in (1, 2, 3)]
    for name, n in (("diamond", 198), ("main", 448), ("extended", 546)):
        yield _task(
            "gpqa",
            name,
            _hub(
                "Idavidrein/gpqa",
                "633f5ee89ab8ad4522a9f850766b73f62147ffdd",
                [f"gpqa_{name}.csv"],
                f"gpqa/gpqa_{name}.csv",
                columns={
                    "id": "Record ID",
                    "question": "Question",
                    "choices": ["Correct Answer", *wrong],
                },
                target_is="first",
                shuffle=True,
            ),
            _LETTERS,
            split="train",
            phrasings=["gpqa"],
            subject="biology, physics and chemistry",
            description="Pick the correct answer to a question that is hard to look up.",
            n_instances=n,
            licence="CC-BY-4.0",
            citation="Rein et al., GPQA, 2023, arXiv:2311.12022",
            notes=(
                "The hub asks for a log-in and its terms; place the file by hand. "
                "Upstream asks that its questions are not shown in plain text online."
            ),
        )
    yield _task(
        "truthfulqa",
        "mc1",
        _hub(
            "truthfulqa/truthful_qa",
            "741b8276f2d1982aa3d5b832d3ee81ed3b896490",
            ["multiple_choice/validation-00000-of-00001.parquet"],
            "truthfulqa/mc1.jsonl",
            columns={
                "choices": "mc1_targets.choices | mc1_targets",
                "target": "mc1_targets.labels | mc1_targets",
            },
            target_is="mask",
            shuffle=True,
            also=["TruthfulQA/data/mc_task.json", "truthfulqa/mc_task.json"],
        ),
        _LETTERS,
        split="validation",
        subject="common errors",
        description="Pick the true answer among answers that people often give.",
        n_instances=817,
        licence="Apache-2.0",
        citation="Lin et al., TruthfulQA, ACL 2022, arXiv:2109.07958",
        notes=(
            "The right answer stands first upstream; choices are put in an order drawn from the "
            "row."
        ),
    )


def reasoning() -> Iterator[Spec]:
    """Yield GSM8K, HellaSwag and WinoGrande."""
    yield _task(
        "gsm8k",
        "gsm8k",
        _hub(
            "openai/gsm8k",
            "e53f048856ff4f594e959d75785d2c2d37b678ee",
            ["main/{split}-00000-of-00001.parquet"],
            "grade-school-math/grade_school_math/data/{split}.jsonl",
            columns={"target": "answer"},
            after="####",
        ),
        {"kind": "generate", "fields": ["question"], "metric": "math_match"},
        split="test",
        shot_split="train",
        max_tokens=320,
        stop=["Question:"],
        subject="grade-school mathematics",
        description="Solve a word problem of a few steps.",
        n_instances=1319,
        licence="MIT",
        citation="Cobbe et al., Training Verifiers to Solve Math Word Problems, 2021, arXiv:2110.14168",  # noqa: E501
    )
    yield _task(
        "hellaswag",
        "hellaswag",
        _hub(
            "Rowan/hellaswag",
            "218ec52e09a7e7462a5400043bb9a69a41d06b76",
            ["data/{split}-00000-of-00001.parquet"],
            "hellaswag/data/hellaswag_{split}.jsonl",
            columns={"question": "ctx", "choices": "endings", "target": "label"},
            target_is="index",
            splits={"validation": "val"},
        ),
        _LETTERS,
        split="validation",
        shot_split="train",
        subject="everyday events",
        description="Pick the ending that continues a text.",
        n_instances=10042,
        licence="MIT",
        citation="Zellers et al., HellaSwag, ACL 2019, arXiv:1905.07830",
    )
    yield _task(
        "winogrande",
        "winogrande",
        _hub(
            "allenai/winogrande",
            "01e74176c63542e6b0bcb004dcdea22d94fb67b5",
            ["winogrande_xl/{split}-00000-of-00001.parquet"],
            "winogrande_1.1/{split}.jsonl",
            columns={
                "question": "sentence",
                "choices": ["option1", "option2"],
                "target": "answer",
            },
            target_is="number",
            splits={"validation": "dev", "train": "train_xl"},
        ),
        _LETTERS,
        split="validation",
        shot_split="train",
        subject="what a gap in a sentence refers to",
        description="Pick what belongs in the gap of a sentence.",
        n_instances=1267,
        licence="CC-BY",
        citation="Sakaguchi et al., WinoGrande, AAAI 2020, arXiv:1907.10641",
    )


def _superglue(name: str, fields: list[str], columns: Spec, **rest: Any) -> Spec:
    """Return a task of SuperGLUE, from its archive or the hub."""
    options = {"columns": {**columns, "target": "label"}, "splits": {"validation": "val"}}
    options |= {key: rest.pop(key) for key in ("names", "target_is") if key in rest}
    hub = "aps/super_glue", "3de24cf8022e94f4ee4b9d55a6f539891524d646"
    files = [f"{name}/{{split}}-00000-of-00001.parquet"]
    local = f"superglue/{'WiC' if name == 'wic' else name.upper()}/{{split}}.jsonl"
    about = {"split": "validation", "shot_split": "train"}
    asked = {"kind": "choice", "fields": fields, "metric": "choice_accuracy"}
    return _task(
        "superglue",
        name,
        _hub(*hub, files, local, **options),
        asked | about,
        **rest,
        licence="as stated by each SuperGLUE task",
        citation=(
            "Wang et al., SuperGLUE, NeurIPS 2019, arXiv:1905.00537; held out of P3's training by "
            "Sanh et al., 2022, arXiv:2110.08207"
        ),
    )


def passages() -> Iterator[Spec]:
    """Yield BoolQ and the tasks of SuperGLUE that T0 held out."""
    yield _task(
        "boolq",
        "boolq",
        _hub(
            "google/boolq",
            "35b264d03638db9f4ce671b711558bf7ff0f80d5",
            ["data/{split}-00000-of-00001.parquet"],
            "boolq/{split}.jsonl",
            columns={
                "question": "{{ passage }}\nQuestion: {{ question }}?",
                "asked": "question",
                "target": "answer | label",
            },
            names={"true": "yes", "false": "no", "1": "yes", "0": "no"},
            splits={"validation": "dev"},
        ),
        {
            "kind": "choice",
            "fields": ["question", "passage", "asked"],
            "group": "passage",
            "labels": ["yes", "no"],
            "choices_shown": False,
            "metric": "choice_accuracy",
            "chance": 0.5,
        },
        split="validation",
        shot_split="train",
        subject="questions on passages",
        description="Answer a question on a passage with yes or no.",
        n_instances=3270,
        licence="CC-BY-SA-3.0",
        citation="Clark et al., BoolQ, NAACL 2019, arXiv:1905.10044",
    )
    pair = {"question": "Premise: {{ premise }}\nHypothesis: {{ hypothesis }}"}
    follows = ["entailment", "not_entailment"]
    yield _superglue(
        "rte",
        ["question", "premise", "hypothesis"],
        pair,
        names={"0": follows[0], "1": follows[1]},
        labels=follows,
        choices_shown=False,
        chance=0.5,
        subject="textual entailment",
        description="Say whether a premise entails a hypothesis.",
        n_instances=277,
    )
    three = ["entailment", "contradiction", "neutral"]
    yield _superglue(
        "cb",
        ["question", "premise", "hypothesis"],
        {"question": "Text: {{ premise }}\nClaim: {{ hypothesis }}"},
        names={str(code): label for code, label in enumerate(three)},
        labels=three,
        choices_shown=False,
        subject="commitment of a speaker",
        description="Say whether a text commits its writer to a claim.",
        n_instances=56,
    )
    yield _superglue(
        "copa",
        ["question"],
        {
            "question": "{{ premise }} What was the {{ question }}?",
            "choices": ["choice1", "choice2"],
        },
        target_is="index",
        subject="causes and effects",
        description="Pick the more plausible cause or effect.",
        n_instances=100,
    )
    yield _superglue(
        "wic",
        ["question", "word", "sentence1", "sentence2"],
        {
            "question": "Word: {{ word }}\nSentence 1: {{ sentence1 }}\nSentence 2: {{ sentence2 }}",  # noqa: E501
        },
        names={"0": "no", "1": "yes", "false": "no", "true": "yes"},
        labels=["yes", "no"],
        choices_shown=False,
        chance=0.5,
        subject="senses of a word",
        description="Say whether a word has one meaning in two sentences.",
        n_instances=638,
    )


BBQ = {
    "Age": ("age", 3680),
    "Disability_status": ("disability", 1556),
    "Gender_identity": ("gender", 5672),
    "Nationality": ("nationality", 3080),
    "Physical_appearance": ("looks", 1576),
    "Race_ethnicity": ("race and ethnicity", 6880),
    "Race_x_SES": ("race and wealth", 11160),
    "Race_x_gender": ("race and gender", 15960),
    "Religion": ("religion", 1200),
    "SES": ("wealth", 6864),
    "Sexual_orientation": ("sexual orientation", 864),
}
"""File -> what its questions are about, and their number."""


def bbq() -> Iterator[Spec]:
    """Yield the categories of BBQ; rows by context and polarity stand in the report."""
    for name, (about, n) in BBQ.items():
        options = {
            "columns": {
                "id": "example_id",
                "question": "{{ context }} {{ question }}",
                "template": "question_index",
                "choices": ["ans0", "ans1", "ans2"],
                "target": "label",
            },
            "target_is": "index",
            "factors": {"context": "context_condition", "polarity": "question_polarity"},
            "github": "nyu-mll/BBQ",
            "github_revision": "bea11bd97d79217245b5871acd247b9d6eb24598",
        }
        yield _task(
            "bbq",
            name.lower(),
            {"local": f"BBQ/data/{name}.jsonl", "options": options},
            {
                "kind": "choice",
                "fields": ["question", "template"],
                "group": "template",
                "metric": "choice_accuracy",
                "measures": ["bias"],
                "reader": "bbq",
                "version": 2,
            },
            split="test",
            phrasings=["bbq"],
            subject=f"social bias by {about}",
            description=(
                "Answer a question about two people from what a text says, or say that it does not."
            ),
            n_instances=n,
            licence="CC-BY-4.0",
            citation="Parrish et al., BBQ, Findings of ACL 2022, arXiv:2110.08193",
            notes=(
                "Scored by accuracy, by context (ambig, disambig) and polarity, "
                "and the paper's bias score over the rows whose group fits one answer. "
                "Questions of one template count as one draw."
            ),
        )


def medicine() -> Iterator[Spec]:
    """Yield MedQA and PubMedQA."""
    yield _task(
        "medqa",
        "us4",
        _hub(
            "GBaker/MedQA-USMLE-4-options",
            "0fb93dd23a7339b6dcd27e241cb9b5eca62d4d18",
            ["phrases_no_exclude_{split}.jsonl"],
            "medqa/phrases_no_exclude_{split}.jsonl",
            columns={"choices": "options", "target": "answer_idx"},
            target_is="letter",
        ),
        _LETTERS,
        split="test",
        shot_split="train",
        subject="clinical medicine",
        description="Pick the best answer to a question of a licensing examination.",
        n_instances=1273,
        licence="MIT",
        citation="Jin et al., What Disease does this Patient Have?, 2020, arXiv:2009.13081",
    )
    options = {
        "columns": {
            "id": "key | pubid",
            "question": "{{ CONTEXTS | context.contexts }}\nQuestion: {{ QUESTION | question }}",
            "passage": "CONTEXTS | context.contexts",
            "asked": "QUESTION | question",
            "target": "final_decision",
        },
        "github": "pubmedqa/pubmedqa",
        "github_revision": "1cbae8e92f72f20c8d3747cbb3bf5bc53554d997",
    }
    yield _task(
        "pubmedqa",
        "labelled",
        {
            "local": "pubmedqa/data/ori_pqal.json",
            "hub": "qiaojin/PubMedQA",
            "revision": "9001f2853fb87cab8d220904e0de81ac6973b318",
            "files": ["pqa_labeled/train-00000-of-00001.parquet"],
            "options": options,
        },
        {
            "kind": "choice",
            "fields": ["question", "passage", "asked"],
            "labels": ["yes", "no", "maybe"],
            "choices_shown": False,
            "metric": "choice_accuracy",
        },
        split="train",
        subject="biomedical research",
        description="Answer the question of a study from its abstract without the conclusion.",
        n_instances=1000,
        licence="MIT",
        citation="Jin et al., PubMedQA, EMNLP 2019, arXiv:1909.06146",
        notes="All 1,000 labelled questions; the leaderboard scores 500 of them.",
    )


def finance() -> Iterator[Spec]:
    """Yield the four agreement levels of the Financial PhraseBank."""
    for name, file, n in (
        ("all_agree", "AllAgree", 2264),
        ("agree_75", "75Agree", 3453),
        ("agree_66", "66Agree", 4217),
        ("agree_50", "50Agree", 4846),
    ):
        options = {
            "header": ["question", "target"],
            "delimiter": "@",
            "encoding": "latin-1",
            "also": [f"fpb/Sentences_{file}.txt"],
        }
        yield _task(
            "fpb",
            name,
            {"local": f"FinancialPhraseBank-v1.0/Sentences_{file}.txt", "options": options},
            {
                "kind": "choice",
                "fields": ["question"],
                "labels": ["negative", "neutral", "positive"],
                "choices_shown": False,
                "metric": "choice_accuracy",
            },
            split="train",
            phrasings=["sentiment"],
            subject="financial news",
            description="Say whether a sentence of financial news is negative, neutral or positive.",  # noqa: E501
            n_instances=n,
            licence="CC-BY-NC-SA-3.0",
            citation="Malo et al., Good debt or bad debt, JASIST 2014, arXiv:1307.5336",
            notes=(
                "Unpack FinancialPhraseBank-v1.0.zip of takala/financial_phrasebank into the data "
                "directory."
            ),
        )


def cuad() -> Iterator[Spec]:
    """Yield the clause questions that LegalBench made of CUAD."""
    for row in facts("cuad"):
        options = {
            "columns": {"id": "index", "question": "text", "target": "answer"},
            "also": [f"legalbench/tasks/cuad_{row['name']}/{{split}}.tsv"],
        }
        yield _task(
            "cuad",
            row["name"],
            {"local": f"legalbench/data/cuad_{row['name']}/{{split}}.tsv", "options": options},
            {
                "kind": "choice",
                "fields": ["question"],
                "labels": ["Yes", "No"],
                "choices_shown": False,
                "metric": "choice_accuracy",
                "chance": 0.5,
            },
            split="test",
            shot_split="train",
            phrasings=["clause"],
            subject=row["subject"],
            description=f"Say whether a contract clause is about {row['subject']}.",
            licence="CC-BY-4.0",
            citation=(
                "Hendrycks et al., CUAD, 2021, arXiv:2103.06268; as questions in Guha et al., "
                "LegalBench, 2023, arXiv:2308.11462"
            ),
            notes="Unpack data.tar.gz of nguha/legalbench as 'legalbench' into the data directory.",
        )


def bigbench() -> Iterator[Spec]:
    """Yield the six task folders of BIG-bench that jiudingsun01/InstructionEval carries,
    and what its paper used beyond them.
    """
    for row in (*facts("bigbench"), *facts("bigbench_more")):
        name = row["name"]
        inner = f"benchmark_tasks/{name}/task.json"
        spec: Spec = {
            "name": name,
            "benchmark": "bigbench",
            "version": 1,
            "reader": "bigbench",
            "source": {
                "local": f"bigbench/{inner}",
                "options": {
                    "also": [f"bigbench/bigbench/{inner}", f"instructioneval/data/{inner}"]
                },
            },
            "split": "test",
            "kind": "choice",
            "fields": ["question", "input"],
            "metric": "choice_accuracy",
            "subject": row["subject"],
            "description": row["description"],
        }
        if row["n"]:
            spec["n_instances"] = int(row["n"])
        yield spec | {
            "licence": "Apache-2.0",
            "citation": "Srivastava et al., Beyond the Imitation Game, TMLR 2023, arXiv:2206.04615",
            "notes": "Clone google/BIG-bench as 'bigbench' into the data directory.",
        }
