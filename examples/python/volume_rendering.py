"""Volume rendering: transmittance as an exclusive cumprod, written as PNG.

Light that reaches the eye from a sample on a ray has passed every sample in
front of it. Where alpha is the share of light that a sample stops, what
arrives is the product of 1 - alpha over the samples before it: an exclusive
cumulative product along each ray. Radiance fields render pictures this way.
The scene here is five soft, coloured spheres over a floor.
"""

import argparse
import struct
import zlib
from pathlib import Path

import numpy as np
import upsweep

# One row per sphere.
CENTRES = np.array(
    [
        [-1.4, 0.6, 0.3],
        [0.05, 1.0, -0.75],
        [1.5, 0.56, 0.1],
        [-0.5, 0.35, 1.3],
        [0.7, 0.27, 1.45],
    ],
    np.float32,
)
RADII = np.array([0.6, 1.0, 0.56, 0.35, 0.27], np.float32)
COLOURS = np.array(
    [
        [0.98, 0.42, 0.31],
        [0.22, 0.52, 0.92],
        [0.99, 0.76, 0.25],
        [0.22, 0.76, 0.60],
        [0.80, 0.40, 0.80],
    ],
    np.float32,
)
# Light stopped per unit of length inside; the green one is a thin mist.
DENSITIES = np.array([20, 20, 20, 2.5, 20], np.float32)
SOFTNESS = np.float32(0.018)  # distance over which a sphere fades out
SUN = np.array([-0.52, 0.78, 0.35], np.float32)
SUN /= np.linalg.norm(SUN)
EYE = np.array([0, 1.75, 5.6], np.float32)
TARGET = np.array([0.02, 0.52, 0], np.float32)


def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def camera_rays(width, height, field_of_view=0.62):
    """Directions of unit length through the pixels, (height, width, 3)."""
    forward = (TARGET - EYE) / np.linalg.norm(TARGET - EYE)
    right = np.cross(forward, np.array([0, 1, 0], np.float32))
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    scale = np.tan(field_of_view / 2)
    x = scale * width / height * np.linspace(-1, 1, width, dtype=np.float32)
    y = scale * np.linspace(1, -1, height, dtype=np.float32)
    rays = forward + x[None, :, None] * right + y[:, None, None] * up
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def sunlight(points):
    """The share of sunlight that reaches each point past the spheres."""
    light = np.ones(points.shape[:-1], np.float32)
    for centre, radius, density in zip(CENTRES, RADII, DENSITIES, strict=True):
        to_centre = centre - points
        ahead = to_centre @ SUN
        gap = np.sqrt((to_centre * to_centre).sum(-1) - ahead**2)
        covered = sigmoid((radius - gap) / (0.12 * radius))
        stopped = 0.85 * (1 - np.exp(-density * radius))
        light *= 1 - stopped * covered * sigmoid(8 * ahead)
    return light


def scene(rays, depth):
    """How dense the spheres are at each sample, and how much each one glows.

    Shapes are (rays, samples) and (spheres, rays, samples).
    """
    density = np.full_like(depth, 1e-6)
    glow = np.empty((len(RADII), *depth.shape), np.float32)
    for i, (centre, radius) in enumerate(zip(CENTRES, RADII, strict=True)):
        # From the centre to a sample at depth t is eye + t ray - centre.
        eye = EYE - centre
        along = depth * (rays @ SUN)[:, None] + eye @ SUN
        square = (depth + 2 * (rays @ eye)[:, None]) * depth + eye @ eye
        distance = np.sqrt(np.maximum(square, 1e-6))
        inside = DENSITIES[i] * sigmoid((radius - distance) / SOFTNESS)
        facing = np.clip(0.5 + 0.5 * along / distance, 0, 1)
        density += inside
        glow[i] = inside * (0.2 + 0.9 * facing * np.sqrt(facing))
    return density, glow


def backdrop(rays):
    """What lies behind the spheres, and how far away it is along each ray."""
    down = rays[:, 1]
    reach = np.where(down < -1e-3, -EYE[1] / np.minimum(down, -1e-3), 60)
    floor = EYE + reach[:, None] * rays
    haze = np.exp(-0.004 * (floor[:, 0] ** 2 + floor[:, 2] ** 2))
    lit = sunlight(floor)[:, None]
    sky = np.array([0.80, 0.85, 0.93], np.float32)
    shade = np.array([0.44, 0.47, 0.60], np.float32)
    ground = np.array([0.99, 0.96, 0.91], np.float32)
    colour = shade + lit * (ground - shade)
    return sky + haze[:, None] * (colour - sky), reach.astype(np.float32)


def render(rays, samples):
    """The colour that each of (rays, 3) directions sees."""
    behind, reach = backdrop(rays)
    near, far = np.float32(3.8), np.minimum(reach, np.float32(7.8))
    width = (far - near) / samples
    steps = np.arange(samples, dtype=np.float32) + np.float32(0.5)
    depth = near + width[:, None] * steps
    density, glow = scene(rays, depth)

    alpha = 1 - np.exp(-density * width[:, None])
    clear = 1 - alpha
    reaching = np.asarray(upsweep.cumprod(clear, axis=-1, inclusive=False))
    weight = alpha * reaching / density
    colour = np.einsum("rs,krs->rk", weight, glow) @ COLOURS
    left = reaching[:, -1] * clear[:, -1]
    return colour + left[:, None] * behind


def write_png(path, pixels):
    """Writes (height, width, 3) bytes as a PNG file."""
    height, width, _ = pixels.shape

    def chunk(kind, data):
        body = kind + data
        checksum = struct.pack(">I", zlib.crc32(body))
        return struct.pack(">I", len(data)) + body + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    unfiltered = np.zeros((height, 1 + 3 * width), np.uint8)
    unfiltered[:, 1:] = pixels.reshape(height, -1)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(unfiltered.tobytes(), 9))
        + chunk(b"IEND", b"")
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default="spheres.png")
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--samples", type=int, default=96)
    args = parser.parse_args()

    rays = camera_rays(args.width, args.width * 5 // 8)
    # A few rows of the picture at a time keep the samples in cache.
    rows = [render(row, args.samples) for row in rays]
    picture = np.clip(np.stack(rows), 0, 1) ** (1 / 1.15)
    write_png(args.out, (255 * picture + 0.5).astype(np.uint8))
    print(f"{rays.shape[1]} x {rays.shape[0]} pixels, {args.samples} samples")
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
