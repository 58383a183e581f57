"""melior init"""

from pathlib import Path
from typing import Annotated

import typer

from melior.cli import options as given


def register(app: typer.Typer) -> None:
    @app.command()
    def init(
        file: Annotated[str, typer.Argument(help="A CSV, TSV, JSONL or Parquet file.")],
        target: given.Target = None,
        label_separator: given.Between = None,
        out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the recipe.")] = Path("melior.yaml"),
    ) -> None:
        """Look at a file and write a commented recipe for it."""
        from melior.cli import show
        from melior.verbs.init import init as verb

        table, columns = verb(file, target=target, label_separator=label_separator, out=out)
        shown = show.Table(title=f"{table.name}: {table.rows:,} rows", title_justify="left", title_style="bold")
        for heading in ("column", "kind", "because", "missing", "distinct", "examples"):
            shown.add_column(heading)
        for one in columns:
            shown.add_row(
                show.Text(one.name),
                one.kind,
                show.Text(one.why),
                f"{one.missing:.1%}" if one.missing else "",
                f"{one.distinct:,}",
                show.Text(" · ".join(one.examples)[:60]),
            )
        show.out.print(shown)
        for note in table.notes:
            show.out.print(f"note: {note}", style="dim")
        show.out.print(f"recipe: {out}\nnext: melior improve {out} --budget 5m")
