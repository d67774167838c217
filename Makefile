.PHONY: study quick results test quality style

study:  ## the laptop study: tunes to scaling law in minutes
	accelerate launch recipes/sweep.py

quick:  ## the same in miniature
	accelerate launch recipes/sweep.py --config recipes/studies/quick.yaml

results:  ## what belongs under version control, of the studies that the README shows
	for study in laptop cpu_scaling; do \
		! test -d outputs/$$study || hf-scaling keep outputs/$$study results/$$study --overwrite; \
	done

test:
	python -m pytest

quality:  ## what CI checks
	ruff check .
	ruff format --check .
	mypy

style:  ## mend what can be mended by itself
	ruff check --fix .
	ruff format .
