"""Read what a user asks of a run: settings, keywords, and the request made of them.

The way of one value, say ``--memory 2G``: :mod:`declarations` declares the setting (a :class:`setting.Setting`: key, option,
variable, field), :mod:`layers` picks the layer that has the say (option, variable, file, default), the setting's reader in
:mod:`readers` turns the text into a value, and that goes into a group of :class:`settings.Settings`. A
:class:`request.Request` holds the settings of one run with everything that is no setting; :mod:`record` keeps it in the
manifest for ``--resume``. ``-k`` is compiled by :mod:`keyword`; :mod:`provenance` asks git.
"""
