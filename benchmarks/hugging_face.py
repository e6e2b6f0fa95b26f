"""Texts of Hugging Face's models, from configurations with random weights: what reaches padding, gaps,
and integrated gradients' time against Captum's LayerIntegratedGradients on the same net.

python -m benchmarks.hugging_face
"""

import statistics
import warnings
from time import process_time
from typing import Any

import torch
import transformers
from captum.attr import LayerIntegratedGradients

import backlight
from backlight import BacklightWarning, Class, Output

STEPS, TEXTS, TOKENS, WIDTH, LAYERS, VOCABULARY = 32, 8, 48, 128, 3, 1000
ROUNDS = 5

BERT = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 2 * WIDTH,
}


def nets() -> dict[str, tuple[Any, str, Any]]:
    """Each net with the side of its padding and what is explained."""
    config = transformers
    distil = {"dim": WIDTH, "n_layers": LAYERS, "n_heads": 4, "hidden_dim": 2 * WIDTH}
    gpt = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "bos_token_id": 1, "eos_token_id": 1}
    t5 = {"d_model": WIDTH, "d_kv": 32, "d_ff": 2 * WIDTH, "num_layers": LAYERS, "num_heads": 4}
    size = {"vocab_size": VOCABULARY}
    last = TOKENS - 1, 5
    return {
        "BERT": (config.BertForSequenceClassification(config.BertConfig(**BERT)), "right", 1),
        "BERT, tokens": (
            config.BertForTokenClassification(config.BertConfig(**BERT, num_labels=4)),
            "right",
            (3, 1),
        ),
        "BERT, answers": (
            config.BertForQuestionAnswering(config.BertConfig(**BERT)),
            "right",
            Class(3, path="start_logits"),
        ),
        "DistilBERT": (
            config.DistilBertForSequenceClassification(config.DistilBertConfig(**size, **distil)),
            "right",
            1,
        ),
        "GPT-2": (config.GPT2LMHeadModel(config.GPT2Config(**size, **gpt)), "left", last),
        "Llama": (config.LlamaForCausalLM(config.LlamaConfig(**BERT)), "left", last),
        "T5 encoder": (
            config.T5EncoderModel(config.T5Config(**size, **t5)),
            "right",
            Output(index=0),
        ),
    }


def texts(side: str) -> dict[str, torch.Tensor]:
    """Ids of texts of several lengths, padded on a side."""
    lengths = torch.linspace(TOKENS, TOKENS // 2, TEXTS).long()[:, None]
    places = torch.arange(TOKENS)[None]
    mask = places < lengths if side == "right" else places >= TOKENS - lengths
    ids = torch.randint(3, VOCABULARY, (TEXTS, TOKENS)) * mask
    return {"input_ids": ids, "attention_mask": mask.long()}


def seconds(run: Any) -> float:
    before = process_time()
    run()
    return process_time() - before


def against_captum(net: Any, text: dict[str, torch.Tensor], at: str) -> tuple[float, float, float]:
    """The median of ours / theirs, with its range, in processor seconds of paired runs."""
    layer = net.get_submodule(at)

    def logit(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return net(input_ids=ids, attention_mask=mask).logits[:, 1]

    theirs = LayerIntegratedGradients(logit, layer)

    def peer() -> None:
        theirs.attribute(
            text["input_ids"],
            baselines=torch.zeros_like(text["input_ids"]),
            additional_forward_args=(text["attention_mask"],),
            n_steps=STEPS,
            internal_batch_size=64,
        )

    def own() -> None:
        baseline = backlight.TokenBaseline(0)
        backlight.explain(net, text, Class(1), steps=STEPS, baseline=baseline, batch_size=64)

    own()
    ratios = [seconds(own) / seconds(peer) for _ in range(ROUNDS)]
    return statistics.median(ratios), min(ratios), max(ratios)


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    warnings.simplefilter("ignore", BacklightWarning)
    print(f"{TEXTS} texts of {TOKENS} tokens, {LAYERS} layers of width {WIDTH}")
    for name, (net, side, target) in nets().items():
        text = texts(side)
        for method in ("integrated_gradients", "deep_lift"):
            found = backlight.explain(net.eval(), text, target, method)
            padded = found.values[text["attention_mask"] == 0].abs().max().item()
            gap = 0.0 if found.gap is None else (found.gap / found.numpy().__abs__().sum(1)).max()
            print(f"{name:14} {method:21} padding {padded:g}, gap / sum of sizes {gap:.1e}")
        if target == 1:
            median, least, most = against_captum(net, text, str(found.at))
            print(f"{name:14} time / Captum's {median:.2f} ({least:.2f} to {most:.2f})")


if __name__ == "__main__":
    main()
