"""Every rank has a share of each matrix: columns of the first of a pair, rows of the second, one sum over ranks behind.

Shoeybi et al., Megatron-LM, 2019 (https://arxiv.org/abs/1909.08053). Which matrices make a pair is what a model of
transformers publishes as its plan, else what is known here of families that publish none; of any other network the
outputs of each matrix are shared and gathered behind it, which shares memory and work all the same.
"""

import re
from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, ParallelStyle, RowwiseParallel, parallelize_module
from torch.nn.functional import linear

from melior.engine.blocks import repeated
from melior.engine.parallel.mesh import Mesh
from melior.errors import UserError

COLUMNS, ROWS, GATHERED = "colwise", "rowwise", "colwise_gather_output"
BASE = ".base"  # the matrix beside which a LoRA stands, in the layer of both
# patterns of names inside a model that publishes no plan
UNPUBLISHED = {
    "bert": {
        r"attention\.self\.(query|key|value)": COLUMNS,
        r"attention\.output\.dense": ROWS,
        r"intermediate\.dense": COLUMNS,
        r"(?<!attention\.)output\.dense": ROWS,
    },
    "distilbert": {
        r"attention\.(q|k|v)_lin": COLUMNS,
        r"attention\.out_lin": ROWS,
        r"ffn\.lin1": COLUMNS,
        r"ffn\.lin2": ROWS,
    },
    "opt": {r"self_attn\.(q|k|v)_proj": COLUMNS, r"self_attn\.out_proj": ROWS, r"fc1": COLUMNS, r"fc2": ROWS},
}
for _like in ("roberta", "xlm-roberta", "camembert", "electra"):
    UNPUBLISHED[_like] = UNPUBLISHED["bert"]


def share_matrices(module: nn.Module, mesh: Mesh, plan: dict[str, str]) -> None:
    """Deals the matrices of a module out over the tensor ranks, in place. plan: see `plan_of`; of a stage of a pipeline
    those count that are its own."""
    assert mesh.axes is not None
    own = {name: how for name, how in plan.items() if "weight" in dict(module.get_submodule(name).named_parameters())}
    made: dict[str, ParallelStyle] = {name: _style(how) for name, how in own.items()}
    if made:
        parallelize_module(module, mesh.axes["tensor"], made)
    for name, how in own.items():
        layer = module.get_submodule(name.removesuffix(BASE))
        if name.endswith(BASE) and how != GATHERED and hasattr(layer, "low_rank"):
            _share_correction(layer, how, mesh.axes["tensor"])


def _share_correction(layer: Any, how: str, ranks: DeviceMesh) -> None:
    """Of B A x beside a shared matrix (LoRA), B has the same columns as the matrix, or A the same rows; the other is
    whole on every rank. (.., inputs) -> (.., rank) -> (.., outputs), and what is of width `rank` alone is summed: for
    columns its gradient, for rows itself."""
    shared, axis = ("b", 0) if how == COLUMNS else ("a", 1)
    whole = getattr(layer, shared)
    dealt = distribute_tensor(whole.detach(), ranks, [Shard(axis)])
    setattr(layer, shared, nn.Parameter(dealt, requires_grad=whole.requires_grad))

    def columns(inputs: Tensor) -> Tensor:
        inner = DTensor.from_local(linear(inputs, layer.a), ranks, [Replicate()], run_check=False)
        return linear(inner.to_local(grad_placements=[Partial()]), layer.b.to_local())

    def rows(inputs: Tensor) -> Tensor:
        inner = DTensor.from_local(linear(inputs, layer.a.to_local()), ranks, [Partial()], run_check=False)
        return linear(inner.redistribute(placements=[Replicate()]).to_local(), layer.b)

    layer.low_rank = columns if how == COLUMNS else rows


def plan_of(module: nn.Module, ranks: int) -> dict[str, str]:
    """How each matrix is shared: colwise, rowwise, or colwise with its outputs gathered, by the name of its layer.

    UserError: heads that cannot be dealt out evenly, a plan of a kind that is not known here.
    """
    layers = {name: one for name, one in module.named_modules() if isinstance(one, nn.Linear)}
    found: dict[str, str] = {}
    for prefix, model in _models(module):
        _check_heads(model, ranks)
        for pattern, how in _published(model).items() or _unpublished(model).items():
            whole = re.compile(rf"{re.escape(prefix)}(.*\.)?{pattern}" if prefix else rf"(.*\.)?{pattern}")
            found.update({name: how for name in layers if whole.fullmatch(name.removesuffix(BASE))})
    if not found:
        inside = {one for block in repeated(module) for one in block.modules()} or set(list(layers.values())[:-1])
        found = {name: GATHERED for name, one in layers.items() if one in inside and one.out_features % ranks == 0}
    if not found:
        raise UserError(
            f"train.parallel: no matrix of this network can be shared by {ranks} ranks; use data or sharded instead."
        )
    for name, how in found.items():
        size = layers[name].in_features if how == ROWS else layers[name].out_features
        if size % ranks:
            raise UserError(f"train.parallel: tensor {ranks} does not divide the {size} units of {name}.")
        if sum(one._parameters.get("weight") is layers[name].weight for one in module.modules()) > 1:
            raise UserError(f"train.parallel: {name} has its matrix in common with another layer; take tensor out.")
    return found


def _models(module: nn.Module) -> list[tuple[str, Any]]:
    """The models of transformers inside, outermost, with the prefix of their names."""
    found: list[tuple[str, Any]] = []
    for name, one in module.named_modules():
        prefix = f"{name}." if name else ""
        if hasattr(one, "config") and hasattr(one, "base_model") and not any(prefix.startswith(p) for p, _ in found):
            found.append((prefix, one))
    return found


def _published(model: Any) -> dict[str, str]:
    """The plan of the base model as patterns; the output layer stays whole, since it may be tied to the vectors."""
    plan = getattr(model.base_model.config, "base_model_tp_plan", None) or {}
    found = {}
    for name, how in plan.items():
        if how not in (COLUMNS, ROWS):
            raise UserError(
                f"train.parallel: {type(model).__name__} wants {how} for {name} under tensor, which is not there yet; "
                "use sharded instead."
            )
        found[re.escape(name).replace(r"\*", r"\d+")] = how
    return found


def _unpublished(model: Any) -> dict[str, str]:
    return UNPUBLISHED.get(getattr(model.config, "model_type", ""), {})


def _check_heads(model: Any, ranks: int) -> None:
    for key in ("num_attention_heads", "num_key_value_heads"):
        heads = getattr(model.config, key, None)
        if isinstance(heads, int) and heads % ranks:
            raise UserError(f"train.parallel: tensor {ranks} does not divide the model's {heads} heads ({key}).")


def _style(how: str) -> ParallelStyle:
    if how == ROWS:
        return RowwiseParallel()
    return ColwiseParallel(output_layouts=Replicate()) if how == GATHERED else ColwiseParallel()
