"""What every check, method, model and metric must hold, as tests that anyone can run on their own.

    from melior.testing import method_suite
    from my_package.my_method import MyMethod

    TestMyMethod = method_suite(MyMethod)

pytest collects the class; without pytest, `melior.testing.run(TestMyMethod)` names what does not hold.
"""

from melior.testing.checks import check_suite as check_suite
from melior.testing.methods import method_suite as method_suite
from melior.testing.metrics import metric_suite as metric_suite
from melior.testing.models import model_suite as model_suite
from melior.testing.promises import run as run

__all__ = ["check_suite", "method_suite", "metric_suite", "model_suite", "run"]
