.PHONY: study quick results test quality style

study:  ## the laptop study: tunes to scaling law in twenty minutes
	accelerate launch recipes/sweep.py

quick:  ## the same in miniature
	accelerate launch recipes/sweep.py --config recipes/studies/quick.yaml

results:  ## what the README shows, from outputs/laptop; samples by rule: the first, and the one prompted in full
	mkdir -p results/laptop/samples
	cp outputs/laptop/*.json outputs/laptop/runs.jsonl outputs/laptop/study.yaml results/laptop/
	cp $(addprefix outputs/laptop/dataset/,leak_report.json statistics.json baselines.json corpus.png) results/laptop/
	cp -r outputs/laptop/figures results/laptop/
	cp outputs/laptop/samples/001.* outputs/laptop/samples/010.* results/laptop/samples/
	cp outputs/laptop/samples/samples.jsonl outputs/laptop/samples/generated_samples.txt results/laptop/samples/

test:
	python -m pytest

quality:  ## what CI checks
	ruff check .
	ruff format --check .
	mypy

style:  ## mend what can be mended by itself
	ruff check --fix .
	ruff format .
