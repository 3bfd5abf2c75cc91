"""Columns of pandas and polars, labelled arrays of xarray and arrays of Dask as input,
and results where these libraries take arrays."""

import numpy as np
import pytest
import upsweep

FACTORS = [2.0, 0.5, 4.0, 0.25, 8.0]
PRODUCTS = [2.0, 1.0, 4.0, 1.0, 8.0]
GROUPS = ["a", "b", "a", "b", "a"]
GROUPED = [2.0, 0.5, 8.0, 0.125, 64.0]


def test_pandas_columns():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    s = pd.Series(FACTORS, index=list("vwxyz"), name="factor")
    back = pd.Series(upsweep.cumprod(s), s.index)
    assert back.to_dict() == dict(zip("vwxyz", PRODUCTS, strict=True))
    table = s.to_frame().assign(double=2 * s)
    both = pd.DataFrame(upsweep.cumprod(table, axis=0), table.index, table.columns)
    assert both.equals(table.cumprod())
    assert pd.Series(upsweep.cumprod(s), dtype=np.dtype(upsweep.float64)).size == 5


def test_pandas_groups():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pd.DataFrame({"group": GROUPS, "factor": FACTORS})
    found = table.groupby("group")["factor"].transform(upsweep.cumprod)
    assert found.tolist() == GROUPED
    assert table.groupby("group")["factor"].cumprod().tolist() == GROUPED
    ordered = table.sort_values("group", kind="stable")
    first = (ordered["group"] != ordered["group"].shift()).to_numpy()
    result = upsweep.scan(ordered["factor"], "prod", reset=first)
    assert pd.Series(result, ordered.index).sort_index().tolist() == GROUPED


def test_pandas_missing_values():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    s = pd.Series([2.0, None, 3.0, None])
    found = pd.Series(upsweep.scan(s, "prod", skipna=True), s.index).where(s.notna())
    assert found.equals(s.cumprod())
    nullable = pd.array([2.0, None, 3.0], dtype="Float64")
    assert upsweep.scan(nullable, "prod", skipna=True).tolist() == [2, 2, 6]


def test_polars():
    pl = pytest.importorskip("polars", reason="polars is not installed")

    def cumprod(s):
        return pl.Series(s.name, np.asarray(upsweep.cumprod(s)))

    table = pl.DataFrame({"group": GROUPS, "factor": FACTORS})
    assert cumprod(table["factor"]).to_list() == PRODUCTS
    product = pl.col("factor").map_batches(cumprod, return_dtype=pl.Float64)
    for frame in (table, table.lazy()):
        columns = frame.select(all=product, grouped=product.over("group"))
        found = columns.lazy().collect()
        assert found["all"].to_list() == PRODUCTS
        assert found["grouped"].to_list() == GROUPED
    missing = pl.Series([2.0, None, 3.0])
    assert upsweep.scan(missing, "prod", skipna=True).tolist() == [2, 2, 6]
    assert upsweep.cumprod(pl.Series([1, 2, 3])).dtype is upsweep.int64


@pytest.mark.parametrize("chunks", [None, {"asset": 1}])
def test_xarray(chunks):
    xr = pytest.importorskip("xarray", reason="xarray is not installed")
    values = np.array([FACTORS, FACTORS[::-1]]).T
    days = xr.DataArray(values, dims=("day", "asset"), coords={"day": range(5)})
    if chunks:
        pytest.importorskip("dask", reason="Dask is not installed")
        days = days.chunk(chunks)
    product = xr.apply_ufunc(
        upsweep.cumprod,
        days,
        input_core_dims=[["day"]],
        output_core_dims=[["day"]],
        kwargs={"axis": -1},
        dask="parallelized",
        output_dtypes=[days.dtype],
    ).transpose(*days.dims)
    assert product.values.tolist() == np.cumprod(values, axis=0).tolist()
    assert product.coords["day"].values.tolist() == list(range(5))
    assert xr.DataArray(upsweep.cumprod(FACTORS), dims="day").sum() == 16


def test_dask_takes_arrays_and_results():
    da = pytest.importorskip("dask.array", reason="Dask is not installed")
    whole = da.from_array(upsweep.array(FACTORS), chunks=2)
    assert (whole + 1).compute().tolist() == [x + 1 for x in FACTORS]
    blocks = da.from_array(np.array(FACTORS), chunks=2).map_blocks(upsweep.cumprod)
    assert blocks.dtype == np.dtype(np.float64)
    assert blocks.compute().tolist() == [2, 1, 4, 1, 8]
    assert blocks.sum().compute() == 16
