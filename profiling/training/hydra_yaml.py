"""OmegaConf's YAML through libyaml: the same text, several times sooner, for the files of a sweep's many jobs."""

from __future__ import annotations

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc] # which of them is known here
    """Quotes what OmegaConf would read back as a number, as its own dumper does."""


_Dumper.add_representer(str, get_omega_conf_dumper().str_representer)


def yaml_text(node: DictConfig | ListConfig) -> str:
    """What ``OmegaConf.to_yaml`` gives.

    >>> print(yaml_text(OmegaConf.create({"rate": "1e-3", "layers": ["pool"], "none": None})), end="")
    rate: '1e-3'
    layers:
    - pool
    none: null
    """
    container = OmegaConf.to_container(node, resolve=False, enum_to_str=True)
    return str(
        yaml.dump(container, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False)
    )
