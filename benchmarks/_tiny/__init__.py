"""The pieces of ``benchmarks/tiny.py``: what is asked, how answers are judged, who may be asked, what is shown."""
