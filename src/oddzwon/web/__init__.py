"""What people see in a browser: the public notice page, layer 3 of the notice (legal.md section B).

``values`` is what a page is made of, ``phrases`` the words of each language, ``page`` makes HTML of both, and
``folder`` keeps the files and every earlier edition. Nothing here reads the settings: bootstrap fills the values.
"""
