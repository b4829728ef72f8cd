"""Write the table of all settings and the config's JSON schema, from its types."""

import json
from pathlib import Path

from lenscnn.config.model import list_settings
from lenscnn.papers.config import Config

FOLDER = Path(__file__).parents[1] / "config"
HEAD = """# Settings

Every key of the config, made from its types by `make docs`; `schema.json` beside this file is the
same for editors. Keys in <> are names of your choice.

| key | unit | limits | meaning |
|---|---|---|---|
"""


def main() -> None:
    rows = (
        "| " + " | ".join(text.replace("|", "\\|") for text in (f"`{key}`", *rest)) + " |\n"
        for key, *rest in list_settings(Config)
    )
    (FOLDER / "reference.md").write_text(HEAD + "".join(rows), encoding="utf-8")
    schema = json.dumps(Config.model_json_schema(), indent=1)
    (FOLDER / "schema.json").write_text(schema + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
