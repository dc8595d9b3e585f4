"""Make data/posts: the small sample that README and the tests use. Run from the checkout: python data/make_posts.py."""

from pathlib import Path

from graphfuse.core.build import build

SETTINGS = {
    "name": "synthetic",
    "path": "posts",
    "train_rows": 40,
    "validation_rows": 12,
    "test_rows": 12,
    "matches": 1,
    "grid": 2,
    "cell": 16,
    "spans": [1, 3],
    "missing_pictures": 0.1,
    "users": 12,
    "text": 0.3,
    "image": 0.3,
    "combination": 0.4,
}
ANSWER = ("planted.csv", "receipt.json")
"""What made posts know of themselves, and posts that people bring do not."""

if __name__ == "__main__":
    folder = Path(__file__).parent
    build("datasets", SETTINGS, "dataset").manifest(folder)
    for name in ANSWER:
        (folder / "posts" / name).unlink()
