"""Run every benchmark, each framework in a process of its own."""

import subprocess
import sys

FRAMEWORKS = ("torch", "tensorflow", "jax")


def run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *arguments], check=True)


def main() -> None:
    print("Library time / bare-loop time", flush=True)
    for framework in FRAMEWORKS:
        run("overhead", framework)
    print("\nTechniques with rules: time / bare forward and input gradient", flush=True)
    for framework in FRAMEWORKS:
        run("rules", framework)
    print("\nDeepLIFT's summation on the nets of keras.applications", flush=True)
    run("summation", "tensorflow")
    print("\nIntegrated gradients at equal completeness error", flush=True)
    run("completeness")
    print("\nIntegrated gradients' estimate of their error", flush=True)
    run("error_estimate")
    print("\nPeak memory of integrated gradients", flush=True)
    for kind in (*FRAMEWORKS, "captum"):
        for steps in ("20", "200", "2000"):
            run("memory", kind, steps)
    print("\nParity of three frameworks", flush=True)
    run("parity")
    print("\nCaptum's features, and how far results differ", flush=True)
    run("captum_features")
    print("\nSources of data and stores of results", flush=True)
    run("datasets")


if __name__ == "__main__":
    main()
