from tare.bench.campaign.shared_files import SharedFiles


def scratch(folder, name):
    made = folder / "places" / name / "scratch"
    made.mkdir(parents=True)
    return made


def test_a_file_is_laid_out_once_and_the_others_have_the_same_one(tmp_path):
    files, first, second = SharedFiles(tmp_path), scratch(tmp_path, "a"), scratch(tmp_path, "b")
    assert not files.lend("big", first)
    (first / "big").write_bytes(b"data")
    files.keep("big", first)
    assert files.lend("big", second)
    assert (second / "big").samefile(first / "big")
    (first / "big").unlink()
    assert (second / "big").read_bytes() == b"data"
    assert files.lend("big", scratch(tmp_path, "c"))


def test_whoever_works_in_a_place_may_read_and_write_it(tmp_path):
    files, first = SharedFiles(tmp_path), scratch(tmp_path, "a")
    (first / "big").touch(mode=0o600)
    files.keep("big", first)
    assert (first / "big").stat().st_mode & 0o777 == 0o666


def test_where_it_cannot_be_lent_the_place_lays_it_out_itself(tmp_path):
    files, first = SharedFiles(tmp_path), scratch(tmp_path, "a")
    files.keep("big", None)
    files.keep("big", first)  # there is no file
    assert not files.lend("big", None)
    assert not files.lend("big", first)
    (first / "big").touch()
    files.keep("big", first)
    files.keep("big", first)
    assert not files.lend("big", first)  # it is there already
