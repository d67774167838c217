"""`folk_lstm`: an LSTM language model that transformers can train, generate from and load from the Hub.

The two files beside this one import torch, transformers and each other only, because they are pushed as they are.
"""

from hf_scaling.models.folk_lstm.configuration_folk_lstm import FolkLSTMConfig
from hf_scaling.models.folk_lstm.modeling_folk_lstm import FolkLSTMCache, FolkLSTMForCausalLM

__all__ = ["FolkLSTMCache", "FolkLSTMConfig", "FolkLSTMForCausalLM"]
