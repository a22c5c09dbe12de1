"""Our launcher and sweeper as Hydra plugins.

Hydra 1.3 takes launchers and sweepers only from the package ``hydra_plugins``. Installing one there would put files
of ours into a name that other distributions share, so the modules are made in memory; installed plugins stay.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.plugin import Plugin

_PACKAGE = "hydra_plugins"


def register_hydra_plugins() -> None:
    """Makes ``hydra/launcher=packed`` and ``hydra/sweeper=optuna`` choices; safe to call again."""
    from profiling.training.launcher import PackedLauncher, PackedLauncherConf
    from profiling.training.sweeper import OptunaSweeper, OptunaSweeperConf

    _register("profiling_packed", PackedLauncher)
    _register("profiling_optuna", OptunaSweeper)
    store = ConfigStore.instance()
    store.store(group="hydra/launcher", name="packed", node=PackedLauncherConf, provider="profiling")
    store.store(group="hydra/sweeper", name="optuna", node=OptunaSweeperConf, provider="profiling")


def _register(module_name: str, plugin: type[Plugin]) -> None:
    name = f"{_PACKAGE}.{module_name}"
    if name in sys.modules:
        return
    package = _package()
    module = ModuleType(name, plugin.__doc__)
    own = type(plugin.__name__, (plugin,), {"__module__": name, "__doc__": plugin.__doc__})
    setattr(module, plugin.__name__, own)
    setattr(package, module_name, module)
    sys.modules[name] = module
    Plugins.instance().register(own)


def _package() -> ModuleType:
    """The package that is there, or an empty one."""
    try:
        return importlib.import_module(_PACKAGE)
    except ModuleNotFoundError:
        package = ModuleType(_PACKAGE, "Plugins of Hydra.")
        package.__path__ = []
        sys.modules[_PACKAGE] = package
        return package
