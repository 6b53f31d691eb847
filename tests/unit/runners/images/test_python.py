from tare.runners.images.python import package_bytes, package_files


def test_the_size_of_packages_is_that_of_their_files_and_spares_dangling_links(tmp_path):
    folder = tmp_path / "site-packages"
    (folder / "pkg/__pycache__").mkdir(parents=True)
    for name, size in (("pkg/a.py", 10), ("pkg/__pycache__/a.pyc", 1000), ("b.pyc", 100), ("c.so", 7)):
        (folder / name).write_bytes(bytes(size))
    (folder / "pkg/link").symlink_to("nowhere")
    zipped = tmp_path / "more.zip"
    zipped.write_bytes(bytes(5))
    folders = [str(folder), str(zipped)]
    listed = package_files(folders)
    assert {path.name for path in listed} == {"a.py", "c.so", "link", "more.zip"}
    assert package_bytes(folders) == 22 == sum(path.stat().st_size for path in listed if path.exists())
