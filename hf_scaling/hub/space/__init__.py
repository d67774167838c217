"""The Space: a page on which models write tunes, side by side.

It stands apart from the rest of `hub`: the push copies it, with the rooms that it imports, and there it runs without
this package being installed. `hf-scaling demo` runs the same page over a study folder. Either way it is told what to
show by the files of one folder (`exhibit.py`).
"""
