"""Images a second on one core, from files to the network's input: the usual way, and rga without and with a cache.

    python bench/input_pipeline.py [--rounds 3] [--epochs 2] [--dataset synthetic] [--root PATH] [--size 256 128]
                                   [--out bench/input_pipeline.json]

The usual way is that of torchreid and of the paper's released code: one image at a time opened, resized, cropped and
flipped by Pillow, made a float tensor, normalised, randomly erased, and stacked by torch's default collate, from PNG
files as these projects write them, with Pillow's compression. "Extracted by rga" are the same crops as files of rga's
CUHK03 reader. All load the same P x K batches of the training set, in turn, round by round, in one process on one
thread. Seconds are CPU seconds of the process, so that other work on the machine counts little.

What rga leaves to the device (to float, normalise, erase) is counted, done by the same core; "batches alone" leaves it
out: the host's work beside a GPU.
"""

import argparse
import math
import random
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

from rga import data
from rga.data.cuhk03.extraction import png
from rga.data.images import read_image
from rga.data.transforms import IMAGENET_MEAN, IMAGENET_STD
from rga.io.json_files import write_json
from rga.io.provenance import provenance

ROOT = Path(__file__).parent.parent
P, K = 16, 4


class EnlargeAndCrop:
    def __init__(self, size):
        self.height, self.width = size

    def __call__(self, image):
        if random.random() < 0.5:
            return image.resize((self.width, self.height), Image.BILINEAR)
        height, width = round(1.125 * self.height), round(1.125 * self.width)
        image = image.resize((width, height), Image.BILINEAR)
        left, top = random.randint(0, width - self.width), random.randint(0, height - self.height)
        return image.crop((left, top, left + self.width, top + self.height))


class Erase:
    def __call__(self, image):
        if random.random() < 0.5:
            return image
        _, rows, columns = image.shape
        for _ in range(100):
            area, aspect = random.uniform(0.02, 0.4) * rows * columns, random.uniform(0.3, 1 / 0.3)
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height < rows and width < columns:
                top, left = random.randint(0, rows - height), random.randint(0, columns - width)
                for channel in range(3):
                    image[channel, top : top + height, left : left + width] = 0
                break
        return image


class UsualDataset(Dataset):
    def __init__(self, samples, size):
        self.samples = samples
        self.transform = T.Compose(
            [
                EnlargeAndCrop(size),
                T.RandomHorizontalFlip(),
                T.ToTensor(),
                T.Normalize(IMAGENET_MEAN, IMAGENET_STD),
                Erase(),
            ]
        )

    def __getitem__(self, key):
        index, _ = key
        path, pid, camid = self.samples[index]
        return self.transform(Image.open(path).convert("RGB")), pid, camid, str(path)


def usual_loader(samples, size):
    sampler = data.train_loader(samples, size, P, K, seed=0).batch_sampler
    return DataLoader(UsualDataset(samples, size), batch_sampler=sampler)


def copies(samples, folder, save):
    folder.mkdir()
    made = [sample._replace(path=folder / f"{i}.png") for i, sample in enumerate(samples)]
    for sample, copy in zip(samples, made, strict=True):
        save(Image.open(sample.path).convert("RGB"), copy.path)
    return made


def measure(loader, epochs):
    """CPU seconds an image: to batches in memory, and from there to the network's input."""
    images, on_device, started = 0, 0.0, time.process_time()
    for epoch in epochs:
        loader.batch_sampler.set_epoch(epoch)
        for batch in loader:
            images += len(batch[0])
            if isinstance(batch, data.Batch):
                before = time.process_time()
                data.network_input(batch)
                on_device += time.process_time() - before
    return (time.process_time() - started - on_device) / images, on_device / images


def summary(runs):
    """Medians of the rounds, and ratios taken round by round."""
    usual, results = [sum(run) for run in runs["usual way"]], {}
    for name, seconds in runs.items():
        whole, batches = [sum(run) for run in seconds], [run[0] for run in seconds]
        results[name] = {
            "images_per_second": 1 / statistics.median(whole),
            "over_usual": statistics.median(u / w for u, w in zip(usual, whole, strict=True)),
            "batches_alone_per_second": 1 / statistics.median(batches),
            "batches_alone_over_usual": statistics.median(u / b for u, b in zip(usual, batches, strict=True)),
        }
    return results


def table(results):
    lines = ["| pipeline | images/s | x usual | batches alone, images/s | x usual |", "|---|---|---|---|---|"]
    for name, result in results.items():
        each, over, alone, alone_over = result.values()
        lines.append(f"| {name} | {each:.0f} | {over:.1f} | {alone:.0f} | {alone_over:.1f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=[256, 128])
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "input_pipeline.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    size, splits, fill = tuple(args.size), data.load(args.dataset, args.root), {}

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        compressed = copies(splits.train, folder / "compressed", lambda image, path: image.save(path))
        extracted = copies(
            splits.train, folder / "extracted", lambda image, path: path.write_bytes(png(np.asarray(image)))
        )

        def ours(samples, cache=False):
            return data.train_loader(samples, size, P, K, seed=0, cache=cache)

        def kept(cache):
            started = time.process_time()
            loader = ours(extracted, cache)
            fill["in memory" if cache is True else "on disk"] = len(extracted) / (
                time.process_time() - started
            )
            return loader

        loaders = {
            "usual way": usual_loader(compressed, size),
            "rga, the same files": ours(compressed),
            "rga, extracted by rga": ours(extracted),
            "rga, cache in memory": kept(True),
            "rga, cache on disk": kept(folder / "cache"),
        }
        runs = {name: [] for name in loaders}
        for number in range(args.rounds):
            epochs = range(number * args.epochs, (number + 1) * args.epochs)
            for name, loader in loaders.items():
                measure(loader, [0])  # warm
                runs[name].append(measure(loader, epochs))

    pixels = statistics.mean(math.prod(read_image(sample.path).shape[1:]) for sample in splits.train)
    settings = {"data": splits.name, "images": len(splits.train), "mean_pixels": pixels, "size": list(size)}
    settings |= {"batch": [P, K], "rounds": args.rounds, "epochs": args.epochs, "Pillow": PIL.__version__}
    results = summary(runs)
    values = {
        "settings": settings,
        "results": results,
        "filled_per_second": fill,
        "provenance": provenance("cpu"),
    }
    write_json(args.out, values)
    print(table(results))
    print("\ncache filled:", ", ".join(f"{where} {rate:.0f} images/s" for where, rate in fill.items()))


if __name__ == "__main__":
    main()
