"""The opening of a tune, from its fields."""

from hf_scaling.records import UserError

HEADER_FIELDS = {"title": "T", "rhythm": "R", "meter": "M", "length": "L", "key": "K"}
_METERS = {"jig": "6/8", "slip jig": "9/8", "slide": "12/8", "polka": "2/4", "waltz": "3/4", "mazurka": "3/4"}


def build_prompt(**fields: str | None) -> str:
    """The opening of a tune: the empty string without fields, else its header in the order models were trained on.

    Takes title, rhythm, meter, length and key. A field left out is written with the usual value where the key is
    given, since the key comes last and closes the header; without a key the header ends at the last field given, and
    the model writes the rest.

    Raises:
        UserError: an unknown field, or a value with a line break, which would smuggle in another field.
    """
    for name, value in fields.items():
        if name not in HEADER_FIELDS:
            raise UserError(f"prompt: got the field {name!r}, expected some of {', '.join(HEADER_FIELDS)}")
        if value is not None and (not value.strip() or not value.isprintable()):
            raise UserError(f"{name}: got {value!r}, expected text on a single line")
    given = {name: value.strip() for name, value in fields.items() if value is not None}
    if not given:
        return ""
    given.setdefault("title", "Untitled")
    if "key" in given or "length" in given:
        given.setdefault("meter", _METERS.get(given.get("rhythm", "").lower(), "4/4"))
    if "key" in given:
        given.setdefault("length", "1/8")
    return "X:1\n" + "".join(f"{letter}:{given[name]}\n" for name, letter in HEADER_FIELDS.items() if name in given)
