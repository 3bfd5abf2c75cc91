"""Kernels on a real GPU, through CUDA's driver API: an engine like that of
tests/emulator/kernels/scans.py, so that the same tests run on both, and functions for
benchmarks."""

import ctypes
from pathlib import Path

import numpy as np
from scans import copy_kernels


class Refused(Exception):  # noqa: N818, it reads as what it is
    """What the driver refused."""


class Driver:
    """libcuda with every result checked."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")

    def __getattr__(self, name):
        function = getattr(self.library, name)

        def checked(*arguments):
            code = function(*arguments)
            if code != 0:
                text = ctypes.c_char_p()
                self.library.cuGetErrorString(code, ctypes.byref(text))
                raise Refused(f"{name}: {(text.value or b'?').decode()}")

        return checked


class Memory:
    def __init__(self, driver, size):
        self.driver, self.size = driver, size
        self.address = ctypes.c_uint64()
        driver.cuMemAlloc_v2(ctypes.byref(self.address), ctypes.c_size_t(max(size, 16)))

    def __del__(self):
        self.driver.cuMemFree_v2(self.address)

    def upload(self, data, size):
        self.driver.cuMemcpyHtoD_v2(
            self.address, ctypes.c_void_p(data), ctypes.c_size_t(size)
        )

    def download(self, data, size):
        self.driver.cuMemcpyDtoH_v2(
            ctypes.c_void_p(data), self.address, ctypes.c_size_t(size)
        )


class Engine:
    """Kernels from a folder of modules, one for each set of kernels."""

    def __init__(self, folder, tuning):
        self.folder, self.tuning = Path(folder), tuning
        self.driver = Driver()
        self.driver.cuInit(0)
        device, self.context = ctypes.c_int(), ctypes.c_void_p()
        self.driver.cuDeviceGet(ctypes.byref(device), 0)
        self.driver.cuDevicePrimaryCtxRetain(ctypes.byref(self.context), device)
        self.driver.cuCtxSetCurrent(self.context)
        self.modules, self.functions = {}, {}

    def set_seed(self, seed):
        """The order of threads is the GPU's own."""

    def kernel_names(self):
        names = []
        for path in self.folder.glob("*.cubin"):
            copies = f"copy_{path.stem}"
            stages = self.tuning.passes
            names += (
                [copies]
                if copies in copy_kernels()
                else [f"{each}_{path.stem}" for each in stages]
            )
        for name in names:
            self.function(name)
        return sorted(names)

    def function(self, kernel):
        if kernel not in self.functions:
            name = kernel.split("_", 1)[1]
            if name not in self.modules:
                module = ctypes.c_void_p()
                path = str(self.folder / f"{name}.cubin").encode()
                self.driver.cuModuleLoad(ctypes.byref(module), path)
                self.modules[name] = module
            function = ctypes.c_void_p()
            self.driver.cuModuleGetFunction(
                ctypes.byref(function), self.modules[name], kernel.encode()
            )
            self.functions[kernel] = function
        return self.functions[kernel]

    def launch(self, kernel, addresses, params, groups):
        """Buffers 0, 1 and 3 to 7, and the parameters, which are buffer 2."""
        values = [ctypes.c_uint64(a) for a in addresses]
        values.insert(2, params)
        pointers = (ctypes.c_void_p * 8)(*(ctypes.addressof(v) for v in values))
        self.driver.cuLaunchKernel(
            self.function(kernel), groups, 1, 1, self.tuning.threads, 1, 1, 0, None,
            pointers, None,
        )  # fmt: skip

    def run(self, kernel, bindings, groups, chosen=None):
        """Like the emulator's: copies bound memory to the device and back."""
        if chosen is not None:
            raise NotImplementedError("a GPU runs all groups")
        memories = []
        for i, (address, size) in enumerate(bindings):
            memories.append(None)
            if i != 2:
                memories[i] = Memory(self.driver, size)
                memories[i].upload(address, size)
        params = (ctypes.c_char * bindings[2][1]).from_address(bindings[2][0])
        self.launch(kernel, [m.address.value for m in memories if m], params, groups)
        self.driver.cuCtxSynchronize()
        for i in (1, 3, 4):
            memories[i].download(*bindings[i])
        return np.zeros(2)
