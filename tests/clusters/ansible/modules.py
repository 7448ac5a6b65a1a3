"""Our Ansible modules and their parts as plain Python: imported under the names they have on a host."""

import importlib
import importlib.util
import sys

from ansible import module_utils

from clusters.adapters.ansible import ROOT

PLUGINS = ROOT / "plugins"
if str(PLUGINS / "module_utils") not in module_utils.__path__:
    module_utils.__path__.append(str(PLUGINS / "module_utils"))


def part(name):
    """A file of plugins/module_utils."""
    return importlib.import_module(f"ansible.module_utils.{name}")


def module(name, folder="modules"):
    """A file of plugins/modules (or another folder there)."""
    spec = importlib.util.spec_from_file_location(f"plugin_{folder}_{name}", PLUGINS / folder / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded
