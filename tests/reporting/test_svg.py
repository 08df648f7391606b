"""SVG that any viewer reads, with every label inside the picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np

from meshsim.checks.frame import Frame
from meshsim.reporting.edges import Edge, edges
from meshsim.reporting.graph import lay_out
from meshsim.reporting.over_time import Binned, Mark
from meshsim.reporting.svg import Chart, Line, chart_svg, graph_svg, health
from meshsim.units import SECOND


def size(svg: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    assert found is not None
    return float(found[1]), float(found[2])


def test_the_graph_is_xml_and_inside_its_box(frame: Frame) -> None:
    svg = graph_svg(lay_out(edges(frame)))
    root = ET.fromstring(svg)
    width, height = size(svg)
    boxes = [r for r in root.iter() if r.tag.endswith("rect")]
    assert len(boxes) == 2 * 5
    for box in boxes:
        assert float(box.get("x", "0")) + float(box.get("width", "0")) <= width
        assert float(box.get("y", "0")) + float(box.get("height", "0")) <= height
    assert len([p for p in root.iter() if p.tag.endswith("path") and p.get("marker-end")]) == 4


def test_what_has_no_room_for_a_label_has_a_tooltip() -> None:
    fan = [Edge(f"c{n}", "", called, 10.0, 1, 0.9, 1.0, 1e6, ()) for n in range(20) for called in ("one", "other")]
    root = ET.fromstring(graph_svg(lay_out(fan)))
    titles = [t.text for t in root.iter() if t.tag.endswith("title")]
    assert len(titles) == 40
    assert "c7 to other: 10/s, p99 1 ms, 10 % failed" in titles


def test_names_are_escaped() -> None:
    svg = graph_svg(lay_out([Edge("<a>", "", "b&c", 1.0, 1, 0.5, 1.0, 1.0, ())]))
    assert "&lt;a&gt;" in svg
    ET.fromstring(svg)


def test_a_chart_breaks_its_line_where_nothing_happened() -> None:
    points = Binned(np.arange(6) + 0.5, np.array([1.0, 2.0, np.nan, np.nan, 3.0, np.nan]))
    chart = Chart("t", " ms", 6 * SECOND, (Mark("x", 1.0, 2.0), Mark("y", 1.1, None)))
    svg = chart_svg([Line("a", points, "#000")], chart)
    root = ET.fromstring(svg)
    assert len([p for p in root.iter() if p.tag.endswith("polyline")]) == 1
    assert len([p for p in root.iter() if p.tag.endswith("circle")]) == 1
    words = [t.text for t in root.iter() if t.tag.endswith("text")]
    assert {"t", "a", "x", "y", "0s", "6s"} <= set(words)


def test_the_axis_ends_at_a_round_number_above_the_data() -> None:
    points = Binned(np.array([0.5]), np.array([540.0]))
    svg = chart_svg([Line("a", points, "#000")], Chart("t", " ms", SECOND, ()))
    assert ">600 ms<" in svg


def test_health_has_three_colours() -> None:
    assert len({health(1.0), health(0.97), health(0.5)}) == 3


def test_a_group_shows_its_size_and_names_its_members() -> None:
    name = "recommendation-service-1 and 98 more"
    members = {name: ("recommendation-service-1", *(f"other-{n}" for n in range(98)))}
    root = ET.fromstring(graph_svg(lay_out([Edge("a", "", name, 1.0, 1, 1.0, 1.0, 1.0, ())], members)))
    texts = [t.text or "" for t in root.iter() if t.tag.endswith("text")]
    assert "recomm… and 98 more" in texts
    titles = [t.text or "" for t in root.iter() if t.tag.endswith("title")]
    assert any(t.startswith("recommendation-service-1, other-0, ") and t.endswith(", …") for t in titles)
