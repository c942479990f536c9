"""Untrusted input is read or refused with one of evalkit's own errors:
never a crash, never code run.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from targets import FILES, TEXTS  # lies beside this file, which is no package

ATTACKS = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ '%s' % question.__class__ }}",
    "{{ '{0.__class__}'.format(question) }}",
    "{{ question|attr('__class__') }}",
    "{{ choices|map(attribute='__class__')|list }}",
    "{% for a in range(10**9) %}x{% endfor %}",
    "{{ 'a' * 2**31 }}",
    (
        "{% for a in choices %}{% for b in choices %}{% for c in choices %}x{% endfor %}{% endfor "
        "%}{% endfor %}"
    ),
    "{% set x = [] %}{{ x.append(1) }}",
    "{{ cycler.__init__.__globals__.os.system('id') }}",
    "{% import 'os' as os %}",
    "{% include '/etc/passwd' %}",
    "{{ undefined_name }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
]
ODD = [
    "\u202eevil",
    "a\u200bb",
    "\u2028",
    "\x85",
    "\ud800",
    "\x00",
    "１２",
    "e\u0301",
    "<script>alert(1)</script>",
    "=cmd()",
    "../../x",
    "CON",
    "." * 400,
]
SEEDS = {
    "mmlu": b'Q?,a,b,c,d,A\n"multi\nline",None,b,c,d,B\n',
    "bbh": b'{"canary":"x","examples":[{"input":"Q\\nOptions:\\n(A) x\\n(B) y","target":"(A)"}]}',
    "superni": b'{"Definition":["Do it."],"Categories":["X"],"Instances":[{"id":"1","input":"a","output":["b"]}]}',  # noqa: E501
    "bigbench": b'{"examples":[{"input":"a","target_scores":{"x":1,"y":0}}]}',
    "csv table": b"model,task,phrasing_id,instance_id,score\nm,t,p,i,1\n",
}
text = st.one_of(
    st.sampled_from(ATTACKS + ODD),
    st.text(max_size=300),
    st.text(alphabet="{}%#'\"[]:-&*!| \nabc.()_0", max_size=120),
)


@pytest.mark.parametrize("target", TEXTS, ids=list(TEXTS))
@settings(max_examples=150)
@given(value=text)
def test_any_text_is_read_or_refused(target: str, value: str) -> None:
    """Phrasings, YAML, answers and names of every kind."""
    TEXTS[target](value)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_template_attack_is_refused_or_harmless(attack: str) -> None:
    """No attribute, no call, no loop without bounds, no file."""
    TEXTS["template"](attack)
    TEXTS["prompt"](attack)


@pytest.mark.parametrize("target", FILES, ids=list(FILES))
@settings(max_examples=60)
@example(noise=b"", cut=None, place=0)
@example(noise=b"\xff\xfe\x00", cut=None, place=0)
@example(noise=b"[" * 100_000, cut=0, place=0)
@given(
    noise=st.binary(max_size=60),
    cut=st.one_of(st.none(), st.integers(0, 120)),
    place=st.integers(0, 100),
)
def test_any_bytes_are_read_or_refused(
    target: str, noise: bytes, cut: int | None, place: int
) -> None:
    """A good file with bytes put in or cut off, and files of nothing but noise."""
    seed = SEEDS.get(target, b"")
    content = (seed[:place] + noise + seed[place:])[:cut] if cut != 0 else noise
    with tempfile.TemporaryDirectory() as folder:
        FILES[target](content, Path(folder))


def test_a_compressed_bomb_is_refused(tmp_path: Path) -> None:
    """A gigabyte in a megabyte is not unpacked into memory."""
    import gzip
    import resource

    bomb = tmp_path / "x.csv.gz"
    with gzip.open(bomb, "wb") as file:
        file.write(b"model,task,phrasing_id,instance_id,score\n")
        for _ in range(300):
            file.write(b"a" * 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    FILES["gzip table"](bomb.read_bytes(), tmp_path)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000
