"""Collections of clips: real miniatures of every layout, ESC-10 where it is at hand, and hostile listings."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from auricle_export.audio_transformer import clips
from auricle_export.audio_transformer.clips import CollectionError

ROOT = Path(__file__).parents[2]
ESC10 = ROOT.parent / "shared" / "data" / "esc10"
CLASS_MAP = ROOT / "models" / "yamnet" / "yamnet_class_map.csv"


def tone(path: Path, hz: float = 1_000.0, rate: int = 16_000, channels: int = 1, seconds: float = 0.5) -> Path:
    """Write a tone of amplitude 0.5 that fades in and out, the same in every channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = round(seconds * rate)
    wave = 0.5 * np.sin(2.0 * np.pi * hz * np.arange(count) / rate) * np.hanning(count)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate, subtype="PCM_24")
    return path


def own(folder: Path, *lines: str, heading: str = "path\tlabel\tfold\tsource\tlicence") -> Path:
    """Write our layout; files named `audio/...` in the lines are made."""
    for line in lines:
        if line.startswith("audio/"):
            tone(folder / line.split("\t")[0])
    (folder / "clips.tsv").write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
    return folder


def esc50(folder: Path, *lines: str) -> Path:
    """Write ESC-50's layout."""
    (folder / "meta").mkdir()
    heading = "filename,fold,target,category,esc10,src_file,take"
    (folder / "meta" / "esc50.csv").write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
    for line in lines:
        tone(folder / "audio" / line.split(",")[0], rate=44_100)
    return folder


@pytest.fixture
def fsd50k(tmp_path: Path) -> Path:
    """FSD50K's layout in miniature: three classes, four clips of different rates and channels."""
    truth = tmp_path / "FSD50K.ground_truth"
    truth.mkdir()
    vocabulary = '0,Bark,/m/05tny_\n1,Dog,/m/0bt9lr\n2,"Domestic_animals_and_pets",/m/068hy\n'
    (truth / "vocabulary.csv").write_text(vocabulary)
    (truth / "dev.csv").write_text(
        "fname,labels,mids,split\n"
        '64760,"Bark,Dog,Domestic_animals_and_pets","/m/05tny_,/m/0bt9lr,/m/068hy",train\n'
        "16399,Domestic_animals_and_pets,/m/068hy,train\n"
        '16401,"Domestic_animals_and_pets,Dog","/m/068hy,/m/0bt9lr",val\n'
    )
    (truth / "eval.csv").write_text('fname,labels,mids\n37199,"Dog","/m/0bt9lr"\n')
    tone(tmp_path / "FSD50K.dev_audio" / "64760.wav", rate=44_100, seconds=1.3)
    tone(tmp_path / "FSD50K.dev_audio" / "16399.wav", rate=22_050, channels=2)
    tone(tmp_path / "FSD50K.dev_audio" / "16401.wav", rate=48_000, seconds=2.75)
    tone(tmp_path / "FSD50K.eval_audio" / "37199.wav", rate=8_000, channels=2)
    return tmp_path


def test_fsd50k_as_it_is_published_is_read(fsd50k: Path) -> None:
    read = clips.read(fsd50k)
    assert [(label.id, label.name) for label in read.labels] == [
        ("/m/05tny_", "Bark"),
        ("/m/0bt9lr", "Dog"),
        ("/m/068hy", "Domestic_animals_and_pets"),
    ]
    assert [(clip.path.name, clip.labels, clip.fold, clip.source) for clip in read.clips] == [
        ("64760.wav", (0, 1, 2), "train", "64760"),
        ("16399.wav", (2,), "train", "16399"),
        ("16401.wav", (1, 2), "val", "16401"),
        ("37199.wav", (1,), "eval", "37199"),
    ]
    heard = [clips.samples(clip) for clip in read.clips]
    assert [len(each) for each in heard] == [20_800, 8_000, 44_000, 8_000]
    assert [len(clips.chunks(each)) for each in heard] == [1, 1, 3, 1]
    for each in heard:
        spectrum = np.abs(np.fft.rfft(each, 48_000))  # a third of a hertz a bin
        assert np.argmax(spectrum) == 3_000
        assert spectrum[:2_900].max() < 1e-3 * spectrum.max() > spectrum[3_100:].max()


@pytest.mark.parametrize("part", ["dev", "eval"])
def test_fsd50k_may_lack_a_part(fsd50k: Path, part: str) -> None:
    (fsd50k / "FSD50K.ground_truth" / f"{part}.csv").unlink()
    assert {clip.fold for clip in clips.read(fsd50k).clips} == ({"eval"} if part == "dev" else {"train", "val"})


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("dev.csv", "fname,labels,mids\n1,Dog,/m/0bt9lr\n", r"dev\.csv:1: no column.*'split'"),
        ("dev.csv", "fname,labels,mids,split\n64760,Cat,/m/01yrx,train\n", r"dev\.csv:2: mids '/m/01yrx' are not in"),
        ("dev.csv", "fname,labels,mids,split\n../64760,Dog,/m/0bt9lr,train\n", r"dev\.csv:2: fname '\.\./64760' is no"),
        ("dev.csv", "fname,labels,mids,split\n64760,Dog,/m/0bt9lr,test\n", r"dev\.csv:2: split 'test'"),
        ("dev.csv", "fname,labels,mids,split\n64760,Dog,,train\n", r"dev\.csv:2: mids '' are not in"),
        ("dev.csv", 'fname,labels,mids,split\n64760,"Dog,/m/0bt9lr,train\n', r"dev\.csv:2: cannot be read"),
        (
            "dev.csv",
            "fname,labels,mids,split\n7,Dog,/m/0bt9lr,train\n",
            r"dev\.csv:2: 'FSD50K\.dev_audio/7\.wav' is missing",
        ),
        ("dev.csv", "fname,labels,mids,split\n", r"dev\.csv: lists no clip"),
        ("dev.csv", "", r"dev\.csv: lists no clip"),
        ("eval.csv", "fname,labels,mids\n64760,Dog,/m/0bt9lr\n", r"eval\.csv:2: recording '64760' is in fold eval and"),
        ("vocabulary.csv", "index,label,mid\n0,Dog,/m/0bt9lr\n", r"vocabulary\.csv:1: index 'index', expected 0"),
        (
            "vocabulary.csv",
            "0,Dog,/m/0bt9lr\n1,Cat,/m/0bt9lr\n",
            r"vocabulary\.csv:2: '/m/0bt9lr' is no id .* or is listed",
        ),
        ("vocabulary.csv", "0,Dog\n", r"vocabulary\.csv:1: has 2 fields, 3 expected"),
    ],
)
def test_a_hostile_fsd50k_is_refused_by_line(fsd50k: Path, file: str, text: str, message: str) -> None:
    (fsd50k / "FSD50K.ground_truth" / file).write_text(text)
    with pytest.raises(CollectionError, match=message):
        clips.read(fsd50k)


def test_our_layout_puts_esc_first_and_knows_which_takes_are_of_one_recording(tmp_path: Path) -> None:
    read = clips.read(
        own(
            tmp_path,
            "audio/1-9-A-20.flac\tcrying_baby\t1\tx\tCC0",
            "audio/1-9-B-0.flac\tdog,zither\t1\tx\tCC0",
            "audio/other.flac\tbell\ttrain\tx\tCC0",
        )
    )
    assert [(label.id, label.name) for label in read.labels] == [
        ("/m/0bt9lr", "Dog"),
        ("/t/dd00002", "Baby cry, infant cry"),
        ("bell", "bell"),
        ("zither", "zither"),
    ]
    assert [(clip.labels, clip.fold, clip.source) for clip in read.clips] == [
        ((1,), "1", "9"),
        ((0, 3), "1", "9"),
        ((2,), "train", "audio/other.flac"),
    ]
    assert read.name == tmp_path.name


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["/etc/hostname\tdog\t1\tx\tCC0"], r"clips\.tsv:2: path '/etc/hostname' does not lie"),
        (["audio/a.flac\tdog\t1\tx\tCC0", "audio/../../b\tdog\t1\tx\tCC0"], r"clips\.tsv:3: path .* does not lie"),
        (["a\x00b\tdog\t1\tx\tCC0"], r"clips\.tsv:2: path 'a\\x00b' does not lie"),
        (["\tdog\t1\tx\tCC0"], r"clips\.tsv:2: path '' does not lie"),
        (["audio/a.flac\tdog\t1\tx\tCC0", "audio/./a.flac\train\t1\tx\tCC0"], r"clips\.tsv:3: .* is listed twice"),
        (["audio/a.flac\tdog\t1\tx"], r"clips\.tsv:2: has 4 fields, 5 expected"),
        (["audio/a.flac\t\t1\tx\tCC0"], r"clips\.tsv:2: label '' is no name"),
        (["audio/a.flac\tdog, rain\t1\tx\tCC0"], r"clips\.tsv:2: label ' rain' is no name"),
        (["audio/a.flac\tdog,dog\t1\tx\tCC0"], r"clips\.tsv:2: 'audio/a\.flac' has a label twice"),
        (["audio/a.flac\tdog\t../1\tx\tCC0"], r"clips\.tsv:2: fold '\.\./1' is neither"),
        (["missing.flac\tdog\t1\tx\tCC0"], r"clips\.tsv:2: 'missing\.flac' is missing"),
        (["x" * 5_000 + "\tdog\t1\tx\tCC0"], r"clips\.tsv:2: .*cannot be used"),
        (["clips.tsv/a\tdog\t1\tx\tCC0"], r"clips\.tsv:2: 'clips\.tsv/a' is missing"),
        (
            ["audio/1-9-A-0.flac\tdog\t1\tx\tCC0", "audio/2-9-B-0.flac\tdog\t2\tx\tCC0"],
            r"clips\.tsv:3: recording '9' is in fold 2 and in fold 1",
        ),
        ([], r"clips\.tsv: lists no clip"),
    ],
)
def test_a_hostile_listing_is_refused_by_line(tmp_path: Path, lines: list[str], message: str) -> None:
    for line in lines:
        if line.startswith("audio/") and ".." not in line.split("\t")[0]:
            tone(tmp_path / line.split("\t")[0])
    text = "\n".join(["path\tlabel\tfold\tsource\tlicence", *lines]) + "\n"
    (tmp_path / "clips.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(CollectionError, match=message) as refused:
        clips.read(tmp_path)
    assert len(str(refused.value)) < 600, "a message is read by people"


def test_an_empty_file_a_wrong_heading_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    own(tmp_path, "audio/a.flac\tdog\t1\tx\tCC0")
    (tmp_path / "audio/a.flac").write_bytes(b"")
    with pytest.raises(CollectionError, match=r"a\.flac' is empty"):
        clips.read(tmp_path)
    own(tmp_path, "audio/a.flac\tdog\t1\tx", heading="path\tlabel\tfold\tpath")
    with pytest.raises(CollectionError, match=r"clips\.tsv:1: no column, or several: 'path', 'source', 'licence'"):
        clips.read(tmp_path)
    (tmp_path / "clips.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CollectionError, match=r"clips\.tsv: cannot be read as UTF-8"):
        clips.read(tmp_path)
    (tmp_path / "clips.tsv").unlink()
    with pytest.raises(CollectionError, match="has neither"):
        clips.read(tmp_path)


def test_esc50_is_read_whole_or_as_esc10(tmp_path: Path) -> None:
    lines = (
        "1-100032-A-0.wav,1,0,dog,True,100032,A",
        "1-100038-A-14.wav,1,14,chirping_birds,False,100038,A",
        "2-52001-B-10.wav,2,10,rain,True,52001,B",
    )
    esc50(tmp_path, *lines)
    whole = clips.read(tmp_path)
    assert [label.name for label in whole.labels] == ["Dog", "Rain", "chirping_birds"]
    assert [(clip.labels, clip.fold, clip.source) for clip in whole.clips] == [
        ((0,), "1", "100032"),
        ((2,), "1", "100038"),
        ((1,), "2", "52001"),
    ]
    part = clips.read(tmp_path, only_esc10=True)
    assert [label.id for label in part.labels] == ["/m/0bt9lr", "/m/06mb1"]
    assert [clip.labels for clip in part.clips] == [(0,), (1,)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2-1-A-0.wav,2,0,cat,True,1,A", r"esc50\.csv:3: target 0 is 'cat' here and 'dog' before"),
        ("2-1-A-1.wav,2,1,dog,True,1,A", r"esc50\.csv: a category has two targets"),
        ("2-1-A-0.wav,2,zero,dog,True,1,A", r"esc50\.csv:3: target 'zero'"),
        ("2-1-A-0.wav,2,0,dog,1,1,A", r"esc50\.csv:3: esc10 is '1'"),
        ("2-1-A-0.wav,2,0,dog,True,100032,B", r"esc50\.csv:3: recording '100032' is in fold 2 and in fold 1"),
    ],
)
def test_a_hostile_esc50_is_refused_by_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(CollectionError, match=message):
        clips.read(esc50(tmp_path, "1-100032-A-0.wav,1,0,dog,True,100032,A", line))


def test_only_esc50_has_a_part_that_is_esc10(fsd50k: Path) -> None:
    with pytest.raises(CollectionError, match="only ESC-50 can be read as its part"):
        clips.read(fsd50k, only_esc10=True)


def test_esc10_is_400_clips_in_five_folds_of_80() -> None:
    if not ESC10.is_dir():
        print(f"skipped: no ESC-10 in {ESC10}")
        pytest.skip("ESC-10 is not at hand: ../shared/data/esc10")
    read = clips.read(ESC10)
    assert [label.name for label in read.labels] == [name for _, name in clips.AUDIOSET.values()]
    assert len(read.clips) == 400
    for fold in "12345":
        counts = np.bincount([clip.labels[0] for clip in read.clips if clip.fold == fold])
        assert counts.tolist() == [8] * 10
    # The target at the end of every file's name is the label that was read.
    targets = (0, 1, 10, 11, 12, 20, 21, 38, 40, 41)
    assert all(clip.path.stem.endswith(f"-{targets[clip.labels[0]]}") for clip in read.clips)
    heard = clips.samples(read.clips[0])
    assert heard.shape == (80_000,) and heard.dtype == np.float32 and clips.chunks(heard).shape == (5, 16_000)


def test_names_are_those_of_yamnets_class_map() -> None:
    if not CLASS_MAP.is_file():
        print(f"skipped: no {CLASS_MAP}")
        pytest.skip("YAMNet's class map is not at hand: 'make models'")
    with CLASS_MAP.open(encoding="utf-8", newline="") as file:
        known = {row["mid"]: row["display_name"] for row in csv.DictReader(file)}
    assert {id: known.get(id) for id, _ in clips.AUDIOSET.values()} == dict(clips.AUDIOSET.values())


@pytest.mark.parametrize("rate", [8_000, 11_025, 15_999, 22_050, 32_000, 44_100, 48_000, 96_000])
def test_resampling_keeps_what_both_rates_hold(rate: int) -> None:
    """Tones that are whole functions of time, so that the result is known without any resampler."""
    count = round(0.7 * rate) + 3
    top = 0.94 * min(rate, 16_000) / 2.0

    def wave(hz: int, n: int) -> np.ndarray:
        time = np.arange(n) / hz
        return sum(np.sin(2.0 * np.pi * f * time + f) for f in (50.0, 441.0, top)) * np.sin(np.pi * time / 0.7) ** 4

    got = clips.resampled(wave(rate, count), rate)
    assert len(got) == -(-count * 16_000 // rate)
    assert np.abs(got - wave(16_000, len(got))).max() < 3e-3


def test_what_16_khz_cannot_hold_is_gone_and_not_folded() -> None:
    time = np.arange(44_100) / 44_100
    got = clips.resampled(np.sin(2.0 * np.pi * 9_000.0 * time), 44_100)
    assert np.abs(got[400:-400]).max() < 1e-3


def test_silence_at_the_end_does_not_hear_the_beginning() -> None:
    """A transform is periodic: a loud first sample must not ring into the last."""
    loud = np.zeros(44_100)
    loud[:2_000] = 1.0
    assert np.abs(clips.resampled(loud, 44_100)[-2_000:]).max() < 1e-5


def test_channels_are_averaged(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    both = rng.uniform(-0.5, 0.5, (150_000, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", both, 16_000, subtype="FLOAT")
    assert np.allclose(clips.samples_of(tmp_path / "a.wav"), both.mean(axis=1), atol=1e-7)


def test_what_is_no_sound_is_refused_by_name(tmp_path: Path) -> None:
    for name, data in (("text.wav", b"hello"), ("none.flac", b""), ("bare.raw", b"\0" * 64)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CollectionError, match=f"{name}: cannot be read"):
            clips.samples_of(tmp_path / name)
    with pytest.raises(CollectionError, match=r"gone\.wav: cannot be read"):
        clips.samples_of(tmp_path / "gone.wav")
    whole = tone(tmp_path / "whole.flac", seconds=4.0).read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CollectionError, match=r"cut\.flac: cannot be read"):
        clips.samples_of(tmp_path / "cut.flac")
    soundfile.write(tmp_path / "heading.wav", np.zeros(0), 16_000)
    with pytest.raises(CollectionError, match=r"heading\.wav: holds no sample"):
        clips.samples_of(tmp_path / "heading.wav")
    for bad in (np.nan, np.inf):
        soundfile.write(tmp_path / "wild.wav", np.array([0.0, bad] * 9, np.float32), 22_050, subtype="FLOAT")
        with pytest.raises(CollectionError, match=r"wild\.wav: holds samples that are not finite"):
            clips.samples_of(tmp_path / "wild.wav")
    soundfile.write(tmp_path / "slow.wav", np.zeros(10), 100)
    with pytest.raises(CollectionError, match=r"slow\.wav: has 1 channels of 100 Hz"):
        clips.samples_of(tmp_path / "slow.wav")


def test_more_than_ten_minutes_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(601 * 1_000, np.int16), 1_000)
    with pytest.raises(CollectionError, match=r"long\.wav: is longer than 600 s"):
        clips.samples_of(tmp_path / "long.wav")


@pytest.mark.parametrize(
    ("count", "starts"),
    [
        (16_000, [0]),
        (23_999, [0]),
        (24_000, [0, 8_000]),
        (32_000, [0, 16_000]),
        (39_999, [0, 16_000]),
        (40_000, [0, 16_000, 24_000]),
        (80_000, [0, 16_000, 32_000, 48_000, 64_000]),
    ],
)
def test_chunks_start_where_they_should(count: int, starts: list[int]) -> None:
    cut = clips.chunks(np.arange(count, dtype=np.float32))
    assert cut.shape == (len(starts), 16_000) and cut[:, 0].tolist() == starts
    assert (np.diff(cut, axis=1) == 1.0).all()


def test_a_clip_under_a_chunk_is_repeated_and_nothing_is_refused() -> None:
    cut = clips.chunks(np.arange(7_000, dtype=np.float32))
    assert cut.shape == (1, 16_000) and np.array_equal(cut[0], np.arange(16_000) % 7_000)
    assert clips.chunks(np.arange(100, dtype=np.float32), 40, 10)[:, 0].tolist() == [0, 10, 20, 30, 40, 50, 60]
    with pytest.raises(ValueError, match="all must be at least 1"):
        clips.chunks(np.zeros(0, np.float32))
