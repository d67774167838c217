"""The forms of scaling laws, each in its paper's notation: losses in nats per token, N parameters, D and U tokens.

A form has `name`, `paper`, `columns`, `parameters` and two methods: `evaluate(theta, runs)`, log L and its analytic
gradient for many thetas at once (starts of a search, or resamples of a bootstrap), and `starts`. A new form is one
module and a line here.
"""

from hf_scaling.laws.forms.data_constrained import DATA_CONSTRAINED, DataConstrained
from hf_scaling.laws.forms.kaplan import KAPLAN, Kaplan
from hf_scaling.laws.forms.parameters import Array, Parameter, limits, to_params, to_theta
from hf_scaling.laws.forms.power_sum import CHINCHILLA, DATA, POWER, PowerSum
from hf_scaling.laws.forms.runs import RANGE, Runs, positive
from hf_scaling.laws.forms.sms import SMS, Sms

Form = PowerSum | Kaplan | DataConstrained | Sms
FORMS: dict[str, Form] = {form.name: form for form in (POWER, DATA, CHINCHILLA, KAPLAN, DATA_CONSTRAINED, SMS)}

__all__ = [
    "CHINCHILLA",
    "DATA",
    "DATA_CONSTRAINED",
    "FORMS",
    "KAPLAN",
    "POWER",
    "RANGE",
    "SMS",
    "Array",
    "Form",
    "Parameter",
    "Runs",
    "limits",
    "positive",
    "to_params",
    "to_theta",
]
