.PHONY: study quick test quality style

study:  ## the laptop study: tunes to scaling law in twenty minutes
	accelerate launch recipes/sweep.py

quick:  ## the same in miniature
	accelerate launch recipes/sweep.py --config recipes/studies/quick.yaml

test:
	python -m pytest

quality:  ## what CI checks
	ruff check .
	ruff format --check .
	mypy

style:  ## mend what can be mended by itself
	ruff check --fix .
	ruff format .
