"""The guide, the notebook and the docstrings: what they show runs, and prints what they say."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import json
import re

import pytest
from conftest import ROOT, optional


def matches(shown: str, printed: str) -> bool:
    """``[..]`` stands for any part of a line."""
    pattern = r"[^\n]*".join(re.escape(part) for part in shown.strip().split("[..]"))
    return re.fullmatch(pattern, printed.strip()) is not None


def test_the_guide_shows_what_it_prints(tmp_path, monkeypatch):
    torch = optional("torch")
    optional("jax")
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "guide" / "from-pytorch.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(python|text)[^\n]*\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    compared = 0
    for (kind, code), (following, shown) in zip(blocks, blocks[1:] + [("", "")]):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(code, "from-pytorch.md", "exec"), names)
            assert following == "text", code
            assert matches(shown, output.getvalue()), f"{code}\nprinted\n{output.getvalue()}\nand not\n{shown}"
            compared += 1
    assert compared >= 6


def test_the_notebook_runs_and_its_rates_tune_themselves(capsys):
    torch = optional("torch")
    torch.set_num_threads(1)
    notebook = json.loads((ROOT / "python" / "notebooks" / "auto-tuning.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code), "strip the outputs"
    names: dict[str, object] = {}
    for cell in code:
        exec(compile("".join(cell["source"]), "auto-tuning.ipynb", "exec"), names)
    assert len(names["found"].invariant) == 8 and names["results"].ok
    # Above 1 a hundred times the rate is not a hundred times the effective rate: that is what tunes itself.
    effective = names["effective"]
    large = [rate for eta, rate in effective.items() if eta >= 1.0]
    assert len(effective) == 9 and max(large) / min(large) < 1e4 / 10.0
    assert "eta_w =" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")  # those of Jupyter's packages
def test_the_notebook_runs_in_a_kernel(tmp_path):
    """As a reader runs it: the tables are there, and nothing is left of the run."""
    for name in ("torch", "nbformat", "ipykernel"):
        optional(name)
    nbclient, nbformat = optional("nbclient"), optional("nbformat")
    notebook = nbformat.read(ROOT / "python" / "notebooks" / "auto-tuning.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert all(output.output_type != "error" for output in outputs)
    shown = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert any("invariant" in table for table in shown) and any("holds" in table for table in shown)


@pytest.mark.parametrize("module", ["ratecheck", "ratecheck._loss", "ratecheck._fit"])
def test_docstrings_run(module):
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert tried > 0 and failed == 0
