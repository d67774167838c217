"""Packaging of hf_scaling: floors are the oldest releases it was built for, ceilings the newest it was tested with."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "hf_scaling/__init__.py").read_text(encoding="utf-8").splitlines()
    if line.startswith("__version__")
)

EXTRAS = {
    "test": [
        "pytest>=8,<10",
        "pytest-xdist>=3.6,<4",
        "hypothesis>=6.100,<7",
        "markdown-it-py>=3,<5",
        "abcnotes>=0.1,<0.2",
        "symusic>=0.5.7,<0.7",
        "tensorboard>=2.16,<3",
        "gradio>=6,<7",
        "playwright>=1.50,<2",
        "midirenderer>=0.1.3,<0.2",
        "pretty_midi>=0.2.10,<0.3",
        "soundfile>=0.13,<0.15",
    ],
    "trackers": ["trackio>=0.5", "tensorboard>=2.16,<3", "wandb>=0.20,<1"],
    "quality": ["ruff>=0.15,<0.18", "mypy>=1.18,<3", "types-PyYAML", "types-tqdm"],
    "midi": ["symusic>=0.5.7,<0.7"],
    "audio": ["midirenderer>=0.1.3,<0.2", "pretty_midi>=0.2.10,<0.3", "soundfile>=0.13,<0.15"],
    "demo": ["gradio>=6,<7", "midirenderer>=0.1.3,<0.2", "pretty_midi>=0.2.10,<0.3", "soundfile>=0.13,<0.15"],
}
EXTRAS["dev"] = sorted({requirement for extra in EXTRAS.values() for requirement in extra})

setup(
    name="hf_scaling",
    version=VERSION,
    description="How language models of symbolic music scale: from folk tunes to a defensible scaling law",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["hf_scaling", "hf_scaling.*"]),
    package_data={
        "hf_scaling.report": ["*.html", "*.css", "chapters/*.html"],
        "hf_scaling.hub": ["cards/*", "space/*.txt"],
        "hf_scaling.study": ["*.html"],
    },
    install_requires=[
        "torch>=2.9,<2.14",
        "transformers>=5.17,<5.24",
        "datasets>=4.4,<6",
        "tokenizers>=0.22,<0.24",
        "accelerate>=1.11,<2",
        "evaluate>=0.4.6,<0.5",
        "filelock>=3.12,<4",
        "ftfy>=6.2,<7",
        "huggingface_hub>=1,<3",
        "pyppmd>=1.2,<2",
        "rensa>=0.5,<0.6",
        "numpy>=2.0,<3",
        "psutil>=5.9,<8",
        "pyarrow>=17",
        "safetensors>=0.5,<1",
        "scipy>=1.14,<2",
        "matplotlib>=3.9,<4",
        "music21>=9.7,<11",
        "verovio>=5,<7",
        "pyyaml>=6,<7",
        "jinja2>=3.1,<4",
        "markupsafe>=2.1,<4",
        "tqdm>=4.66,<5",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["hf-scaling=hf_scaling.cli:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
