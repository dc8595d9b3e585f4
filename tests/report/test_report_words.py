from graphfuse.report.words import clean, kind_words, metric_words, one_line, reads_right_to_left, text_width, wrap


def test_characters_that_break_xml_or_disguise_text_leave_a_mark():
    assert clean("a\0b\x1b\u202ec\u2066d\ud800") == "a�b��c�d�"
    assert clean("tab\tline\nend — ü 漢 🎈 \u200d") == "tab\tline\nend — ü 漢 🎈 \u200d"


def test_names_are_words():
    assert kind_words("text_span__resembles__image_region") == "text span resembles image region"
    assert metric_words("macro_f1") == "macro F1" and metric_words("roc_auc") == "ROC AUC"


def test_lines_fit_and_say_when_something_is_left_out():
    lines = wrap("word " * 100, 200, 15, 3)
    assert len(lines) == 3 and lines[-1].endswith("…")
    assert all(text_width(line, 15) <= 215 for line in lines)


def test_a_word_longer_than_a_line_is_broken():
    assert len(wrap("x" * 100, 120, 15, 20)) > 4


def test_one_line_has_one_line():
    assert one_line("a\nb\tc " * 20, 20) == "a b c a b c a b c a…"


def test_hebrew_reads_right_to_left_and_english_does_not():
    assert reads_right_to_left("שלום world") and not reads_right_to_left("123 hello שלום")
