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


def test_slow_work_shows_that_it_goes_on(monkeypatch, capsys):
    now = 100.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    work = progress.Progress(50, "lenses")
    now += 40
    work.add(0)
    assert capsys.readouterr().out == "0/50 lenses in 40 s\n"
    now += 40
    work.add(2)
    assert capsys.readouterr().out == "2/50 lenses, 0.025 a second, 1920 s to go\n"
