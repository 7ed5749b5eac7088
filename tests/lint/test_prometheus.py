# SPDX-License-Identifier: Apache-2.0
"""Rules for Prometheus and the dashboard for Grafana: they are valid, and name metrics that there are."""

import json
import re
import shutil
import subprocess

import pytest

RULES = "packaging/prometheus/strait-alerts.yaml"


def promtool(*arguments, cwd):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (package prometheus)")
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, cwd=cwd)


def known_metrics(root):
    """Those that docs/metrics.md lists, with what histograms are made of. An end-to-end test compares it with straitd."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+)", (root / "docs" / "metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 30
    parts = {name + part for name, kind in rows if kind == "histogram" for part in ("_bucket", "_sum", "_count")}
    return {name for name, kind in rows if kind != "histogram"} | parts | {"up"}


def metrics_of(expression):
    """Names in an expression that look like one of ours, or of a rule."""
    without = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"\b(?:strait|process)[a-z0-9_:]*[a-z0-9]\b", without))


def recorded(root):
    return set(re.findall(r"- record: (\S+)", (root / RULES).read_text(encoding="utf-8")))


def test_rules_are_valid(root):
    result = promtool("check", "rules", "strait-alerts.yaml", cwd=root / "packaging" / "prometheus")
    assert result.returncode == 0 and "SUCCESS" in result.stdout, result.stdout + result.stderr


def test_rules_do_what_they_say(root):
    result = promtool("test", "rules", "strait-alerts-test.yaml", cwd=root / "packaging" / "prometheus")
    assert result.returncode == 0 and "SUCCESS" in result.stdout, result.stdout + result.stderr


def test_each_alert_is_tested_and_explained(root):
    text = (root / RULES).read_text(encoding="utf-8")
    tests = (root / "packaging/prometheus/strait-alerts-test.yaml").read_text(encoding="utf-8")
    alerts = re.split(r"^      - alert: ", text, flags=re.MULTILINE)[1:]
    assert len(alerts) > 10
    for alert in alerts:
        name = alert.split("\n", 1)[0]
        assert name in tests, f"{name} is not tested"
        for key in ("severity:", "summary:", "description:"):
            assert key in alert, f"{name} has no {key}"


def test_rules_name_metrics_that_there_are(root):
    names = metrics_of(re.sub(r"#.*|(?:summary|description|alert|record|job_name|rule_files|name):.*(?:\n {10,}\S.*)*", "",
                              (root / RULES).read_text(encoding="utf-8")))
    assert len(names) > 15 and names - known_metrics(root) - recorded(root) == set()


def test_dashboard_names_metrics_that_there_are(root):
    dashboard = json.loads((root / "packaging" / "grafana" / "strait.json").read_text(encoding="utf-8"))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    expressions += [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    assert len(expressions) > 20
    for expression in expressions:
        names = metrics_of(expression)
        assert names and names <= known_metrics(root), (expression, names - known_metrics(root))


def test_dashboard_expressions_are_valid(root, tmp_path):
    """promtool reads them as rules, with what Grafana would put in for its variables."""
    dashboard = json.loads((root / "packaging" / "grafana" / "strait.json").read_text(encoding="utf-8"))
    rules = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$disk", ".*")
            assert "$" not in expression, expression
            rules.append({"record": f"panel:{panel['id']}:{target['refId']}", "expr": expression})
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}), encoding="utf-8")
    result = promtool("check", "rules", str(path), cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_metrics_are_documented(root):
    """Names in the source and in docs/metrics.md."""
    source = "".join(path.read_text(encoding="utf-8") for path in (root / "src" / "control").glob("metrics*.c"))
    families = set(re.findall(r'"((?:strait|process)_[a-z_]+)"', source))
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", (root / "docs" / "metrics.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert families == rows
