"""Scores a recording against what was played, by PESQ (ITU-T P.862, narrowband, MOS-LQO by P.862.1).

Arguments: the WAV file that was played over and over, and the recording (8 or 16 kHz, mono; brought down to 8 kHz).
Prints a JSON list: the score of each whole repetition that is found.
"""

import json
import sys
import wave

import numpy
import pesq

RATE = 8000


def read(path):
    with wave.open(path, "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
        samples = numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(numpy.float64)
    samples = samples.reshape(-1, channels).mean(axis=1)
    if rate % RATE:
        raise SystemExit(f"{path}: {rate} Hz")
    step = rate // RATE
    if step > 1:
        # A low-pass of 64 taps a side, then every so many'th sample.
        at = numpy.arange(-64, 65)
        taps = numpy.sinc(at / step * 0.95) * numpy.hamming(129)
        samples = numpy.convolve(samples, taps / taps.sum(), "same")[::step]
    return samples


def starts(played, recording):
    """Where repetitions of the sound begin: by correlation with its first half, one after the other."""
    found = []
    at = 0
    half = played[: len(played) // 2]
    while at + len(played) <= len(recording):
        # The first may begin anywhere, the next about where the last ended.
        span = recording[at : at + (2 * len(played) if not found else len(played))]
        size = 1 << (len(span) + len(half)).bit_length()
        likeness = numpy.fft.irfft(numpy.fft.rfft(span, size) * numpy.conj(numpy.fft.rfft(half, size)), size)
        reach = max(1, min(len(span) - len(half), len(span) if not found else RATE))
        best = int(numpy.argmax(likeness[:reach]))
        if at + best + len(played) > len(recording):
            break
        found.append(at + best)
        # The next begins a whole sound later, give or take what a jitter buffer moves.
        at = max(at + best + len(played) - RATE // 4, 0)
    return found


def main():
    played, recording = read(sys.argv[1]), read(sys.argv[2])
    scores = []
    for start in starts(played, recording):
        piece = recording[start : start + len(played)]
        scores.append(round(float(pesq.pesq(RATE, played.astype("int16"), piece.astype("int16"), "nb")), 3))
    print(json.dumps(scores))


main()
