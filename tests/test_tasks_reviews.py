"""The reviews: a small archive of our own for the rules, the published one for the frozen splits."""

import io
import tarfile

import numpy as np
import pytest

from trustlib import assets, tasks
from trustlib.errors import AssetError, DataError
from trustlib.tasks import reviews

PARTS = ("train", "validation", "calibration", "test")
SHIFTS = ("amazon", "editorials", "tweets")
FROZEN = {
    "train": "e362842a97a6508d",
    "validation": "479a926626e4b889",
    "calibration": "02984690f393a2e6",
    "test": "6f196e1cab5172e2",
    "amazon": "75bf885e3dba915f",
    "editorials": "48208b3b19bd20f6",
    "tweets": "5ec162a3cff59eee",
}

# id, text, ratings. Enough movies for four splits, and one case for each rule.
MOVIES = [(str(i), f"film {i}", [1, 2, -1] if i % 2 else [-1, -2, 0]) for i in range(1, 41)] + [
    ("41", "adds up to nothing", [2, -1, -1]),
    ("42", "Film  1 ", [-4, -4, -4]),
    ("43", "caf\u00e9 &amp;amp; cr\u00e8me", [3, 0, 0]),
]
AMAZON = [("7_1", "good", [1, 1, 1]), ("7_2", "FILM 2", [1, 1, 1]), ("12_1", "bad", [-1, 1, -1, -1])]
EDITORIALS = [("7_1", "mostly neutral", [0, 0, 0, 4, -1, -1])]
TWEETS = [("1", "I &lt;3 it &amp; you", [4, 4]), ("2", "bad", [-2, -2])]


def tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def rated(stem: str, rows: list) -> dict[str, bytes]:
    """The two files of a world as published: Windows line ends but no last one, one byte order mark."""
    texts = [f"{id}\t{sum(r) / len(r):.6f}\t{text}" for id, text, r in rows]
    ratings = [f"{id}\t{sum(r) / len(r):.5f}\t0.5\t{r}" for id, _, r in rows]
    folder = "hutto_ICWSM_2014"
    return {
        f"{folder}/{stem}_GroundTruth.txt": "\r\n".join(texts).encode(),
        f"{folder}/{stem}_anonDataRatings.txt": b"\xef\xbb\xbf" + "\r\n".join(ratings).encode(),
    }


def outer(inner: dict[str, bytes]) -> bytes:
    return tar({f"vaderSentiment-3.3.2/{reviews.INNER}": tar(inner)})


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Writes an archive with these files (default: the small worlds above) for movie_reviews to read."""
    worlds = zip(reviews.WORLDS.values(), (MOVIES, AMAZON, EDITORIALS, TWEETS), strict=True)
    small = {name: data for stem, rows in worlds for name, data in rated(stem, rows).items()}
    path = tmp_path / "archive.tar.gz"
    monkeypatch.setattr(assets, "find", lambda name: path)
    for name in ("N_TEST", "N_VALIDATION", "N_CALIBRATION"):
        monkeypatch.setattr(reviews, name, 8)

    def write(*, inner: dict[str, bytes] | None = None, whole: bytes | None = None) -> None:
        path.write_bytes(whole or outer(small | (inner or {})))

    write()
    return write


@pytest.fixture(scope="module")
def published() -> tasks.Task:
    status = next(status for status in assets.status() if status.name == "reviews")
    if status.path is None:
        pytest.skip(f"the archive of the reviews is not on this machine; do: {status.fix}")
    return tasks.movie_reviews()


def texts(task: tasks.Task) -> dict[str, str]:
    """Every text by its id."""
    return {
        i: t for split in task.splits.values() for i, t in zip(split.ids.tolist(), split.inputs, strict=True)
    }


# The rules, on the small archive.


def test_ratings_that_add_up_to_zero_and_repeated_texts_are_left_out(archive):
    found = texts(tasks.movie_reviews())
    assert "movies-41" not in found  # the mean is exactly 0
    assert "movies-42" not in found and found["movies-1"] == "film 1"  # the same but for case and spaces
    assert "amazon-7_2" not in found  # stands among the movies
    assert "tweets-2" not in found  # stands among the products
    assert len(found) == 41 + 2 + 1 + 1


def test_html_names_become_characters_and_the_byte_order_mark_goes(archive):
    found = texts(tasks.movie_reviews())
    assert found["movies-43"] == "caf\u00e9 & cr\u00e8me"
    assert found["tweets-1"] == "I <3 it & you"
    assert "movies-1" in found


def test_people_are_counted_among_the_ratings_that_are_not_zero(archive):
    split = tasks.movie_reviews().shifts["editorials"]
    assert split.labels.tolist() == [1]  # 4 - 1 - 1 is above 0, though two of three said negative
    assert np.allclose(split.human_probs, [[2 / 3, 1 / 3]])
    assert split.metadata["n_ratings"].tolist() == [3] and split.metadata["n_raters"].tolist() == [6]
    assert np.allclose(split.metadata["mean_rating"], [2 / 6])
    assert np.allclose(split.metadata["agreement"], [2 / 3])


def test_sentences_of_one_document_are_one_group(archive):
    task = tasks.movie_reviews()
    assert task.shifts["amazon"].groups.tolist() == ["amazon-7", "amazon-12"]
    assert task.shifts["editorials"].groups.tolist() == ["editorials-7"]
    assert task.train.groups.tolist() == task.train.ids.tolist()


def test_the_archive_is_never_unpacked_to_disk(archive, tmp_path):
    tasks.movie_reviews()
    assert [path.name for path in tmp_path.iterdir()] == ["archive.tar.gz"]


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt", "C:/evil.txt", "..\\evil.txt"]
)
def test_names_that_lead_out_of_the_archive_are_refused(archive, name):
    archive(inner={name: b"x"})
    with pytest.raises(AssetError, match="expected plain names in the archive, got .*evil.txt"):
        tasks.movie_reviews()
    archive(whole=tar({name: b"x"}))
    with pytest.raises(AssetError, match="expected plain names"):
        tasks.movie_reviews()


def test_a_leading_dot_is_a_plain_name(archive):
    worlds = reviews._read_archive(assets.find("reviews"))
    archive(
        whole=tar(
            {"./": b"", f"./x/{reviews.INNER}": tar({f"./{name}": data for name, data in worlds.items()})}
        )
    )
    assert len(tasks.movie_reviews().shifts["amazon"]) == 2


def test_links_in_the_archive_are_passed_over(archive):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as link:
        info = tarfile.TarInfo(f"x/{reviews.INNER}")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        link.addfile(info)
    archive(whole=buffer.getvalue())
    with pytest.raises(AssetError, match="got it 0 times"):
        tasks.movie_reviews()


def test_an_archive_without_the_ratings_is_refused(archive):
    archive(whole=outer({"hutto_ICWSM_2014/other.txt": b"x"}))
    with pytest.raises(
        DataError, match="expected movieReviewSnippets_GroundTruth.txt in the archive, got other.txt"
    ):
        tasks.movie_reviews()


def test_rows_of_another_form_are_refused(archive):
    archive(inner={"hutto_ICWSM_2014/tweets_GroundTruth.txt": b"1\tone\ttwo\tthree"})
    with pytest.raises(DataError, match="expected 3 columns in tweets_GroundTruth.txt"):
        tasks.movie_reviews()
    archive(inner={"hutto_ICWSM_2014/tweets_GroundTruth.txt": b"1\t4\tone"})
    with pytest.raises(DataError, match="expected the same ids in both files of tweets"):
        tasks.movie_reviews()


# The published archive.


def test_splits_are_frozen(published):
    assert {name: split.digest[:16] for name, split in published.splits.items()} == FROZEN


def test_splits_have_the_designed_sizes_and_equal_shares(published):
    sizes = {name: len(split) for name, split in published.splits.items()}
    assert sizes == {
        "train": 7566,
        "validation": 500,
        "calibration": 500,
        "test": 2000,
        "amazon": 3599,
        "editorials": 4881,
        "tweets": 4136,
    }
    shares = [published.splits[name].labels.mean() for name in PARTS]
    assert np.ptp(shares) < 0.002 and abs(shares[0] - 0.496) < 0.002


def test_the_other_worlds_have_other_shares(published):
    shares = {name: published.shifts[name].labels.mean() for name in SHIFTS}
    assert {name: round(100 * share) for name, share in shares.items()} == {
        "amazon": 59,
        "editorials": 45,
        "tweets": 69,
    }
    assert [len(set(published.shifts[name].groups)) for name in SHIFTS] == [299, 498, 4136]


def test_no_text_stands_in_two_splits(published):
    seen = [text.casefold() for split in published.splits.values() for text in split.inputs]
    assert len(seen) == len(set(seen))
    assert all(text == " ".join(text.split()) and text for text in seen)


def test_labels_follow_the_mean_and_shares_are_of_the_counted_ratings(published):
    for split in published.splits.values():
        meta = split.metadata
        assert (split.labels == (meta["mean_rating"] > 0)).all() and (meta["mean_rating"] != 0).all()
        counted = split.human_probs * meta["n_ratings"][:, None]
        assert np.allclose(counted, counted.round()) and (meta["n_ratings"] <= meta["n_raters"]).all()
    assert (
        published.train.metadata["n_raters"].min() == 15 and published.train.metadata["n_raters"].max() == 29
    )
    assert all(published.shifts[name].metadata["n_raters"].min() == 20 for name in SHIFTS)


def test_a_published_sentence_reads_as_published(published):
    split = published.shifts["tweets"]
    assert (
        dict(zip(split.ids.tolist(), split.inputs, strict=True))["tweets-2"]
        == "Yay. Another good phone interview."
    )
