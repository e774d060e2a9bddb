"""The model files of the server, to be looked up by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from .lookalikes import Lookalikes
from .text import EMBEDDING_SUFFIXES, base, normal, stem
from .values import Models, Place

GENERIC = frozenset(
    {
        *("model", "pytorch_model", "diffusion_pytorch_model", "pytorch_lora_weights", "ip_adapter", "lora"),
        *(
            "adapter_model",
            "open_clip_pytorch_model",
            "consolidated",
            "checkpoint",
            "ema",
            "vae",
            "text_encoder",
        ),
    }
)
"""Names, less their suffix, that many different files have: one of them in another folder is another file."""

_MOST_CLOSE = 3
_MOST_PLACES = 10


class Shelf:
    """Looks names up in *models*; *aliases* are old names of folders."""

    def __init__(self, models: Models, aliases: Mapping[str, str]) -> None:
        self._models = models
        self._aliases = aliases
        self._names: dict[str, dict[str, str]] = {}
        self._bases: dict[str, list[Place]] | None = None
        self._alike: dict[str, tuple[dict[str, str], Lookalikes]] = {}

    def folder(self, name: str | None) -> str | None:
        """Give the present name of a folder; one that is not known stays as it is."""
        if name is None or name in self._models:
            return name
        return self._aliases.get(name, name)

    def find(self, folder: str, name: str) -> Place | None:
        """Give the file of a normal name in a folder, suffixes left out as prompts leave them included."""
        names = self._in(folder)
        suffixes = ("", *EMBEDDING_SUFFIXES) if folder == "embeddings" else ("",)
        for suffix in suffixes:
            if (found := names.get(name + suffix)) is not None:
                return Place(folder, found)
        return None

    def find_anywhere(self, name: str) -> Place | None:
        """Give the first file of a normal name in any folder."""
        return next((found for folder in self._models if (found := self.find(folder, name))), None)

    def elsewhere(self, folder: str | None, name: str) -> tuple[Place, ...]:
        """Give the files with the same last part of their name, case ignored, those in *folder* first.

        In other folders than *folder*, names that many files have do not count.
        """
        if self._bases is None:
            self._bases = defaultdict(list)
            for each in self._models:
                for normal_name, found in self._in(each).items():
                    self._bases[base(normal_name).casefold()].append(Place(each, found))
        last = base(name).casefold()
        places: list[Place] = []
        for suffix in ("", *EMBEDDING_SUFFIXES) if folder == "embeddings" else ("",):
            places.extend(self._bases.get(last + suffix, ()))
        if folder is not None and stem(last) in GENERIC:
            places = [place for place in places if place.folder == folder]
        places.sort(key=lambda place: place.folder != folder)
        return tuple(places[:_MOST_PLACES])

    def close(self, folder: str | None, name: str) -> tuple[str, ...]:
        """Give names in a folder whose last part looks like *name*'s, the closest first."""
        if folder is None:
            return ()
        if folder not in self._alike:
            stems = {stem(base(normal_name)): found for normal_name, found in self._in(folder).items()}
            self._alike[folder] = stems, Lookalikes(stems)
        stems, alike = self._alike[folder]
        return tuple(stems[each] for each in alike.of(stem(base(name)), limit=_MOST_CLOSE))

    def _in(self, folder: str) -> dict[str, str]:
        names = self._names.get(folder)
        if names is None:
            names = self._names[folder] = {normal(name): name for name in self._models.get(folder, ())}
        return names
