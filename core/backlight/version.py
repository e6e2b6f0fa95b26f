"""The versions, said once: Backlight's, and that of the API that plugins are written for."""

__version__ = "0.1.0"

API_VERSION = 1
"""The version of what plugins are written for, a whole number: the hooks of `backlight.plugins.hooks`;
`Model` with what its verbs take and give (`Site`, `Gradient`, `Operation`, `Kind` ...); `Method` with
`Objective` and `Result`; `Game` of `backlight.explaining.game` and `Estimate` of
`backlight.explaining.estimate`; `Rules`, `Rule` and
`AppliedOperation`; the conformance kit, `backlight.testing`; and what techniques compute with:
`backlight.values.arrays`, `backlight.values.tree` and `backlight.values.noise`. All else that is not
in `backlight.__all__` may change with any release.

A plugin's module says the version that it was written for, `backlight_api = 1`; where Backlight has
another, that plugin is refused by name and all else works on. Something new, a hook, a kind or an
argument with a default, leaves the number as it is. What is to go or to mean something else warns with a
DeprecationWarning, which names what to use, in at least one minor release before the number goes up.
"""
