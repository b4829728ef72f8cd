"""Lines about progress, by a clock that the test sets."""

from lenscnn.core import progress


def test_a_line_now_and_then_and_one_at_the_end(monkeypatch, capsys):
    now = 100.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    work = progress.Progress(50, "lenses")
    lines = []
    for _ in range(5):
        now += 2.0
        work.add(10)
        lines.append(capsys.readouterr().out)
    assert [bool(line) for line in lines] == [False, False, True, False, True]
    assert lines[2] == "30/50 lenses, 5 a second, 4 s to go\n"
    assert lines[4] == "50/50 lenses, 5 a second, 0 s to go\n"
