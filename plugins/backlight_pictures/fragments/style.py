"""How fragments look: colours for light and dark hosts, readable on either, in rules that touch nothing
but what is inside an element of class `backlight`."""

PAPER = "--backlight-paper:var(--jp-layout-color0,var(--vscode-editor-background,{}))"
"""JupyterLab's, VS Code's, or else our own."""

LIGHT = PAPER.format("#fff") + (
    ";--backlight-text:#1b1e24;--backlight-soft:#565d69;--backlight-line:#d8dbe0;--backlight-ink:#101216;"
    "--backlight-for:229 86 68;--backlight-against:82 144 240;color-scheme:light"
)
DARK = PAPER.format("#16181d") + (
    ";--backlight-text:#e8eaee;--backlight-soft:#a8b0bc;--backlight-line:#3a404a;--backlight-ink:#fff;"
    "--backlight-for:186 52 38;--backlight-against:42 92 204;color-scheme:dark"
)
"""The strongest colours are pale on light and deep on dark paper, so that ink is read on them and on all
that is between them and the paper."""

LIGHT_HOSTS = ("[data-jp-theme-light=true]", ".vscode-light", "[data-theme=light]", "[theme=light]")
DARK_HOSTS = ("[data-jp-theme-light=false]", ".vscode-dark", "[data-theme=dark]", "[theme=dark]")
"""How JupyterLab, VS Code, Sphinx's themes and Colab say which theme they have; without, the system's."""

RULES = """
.backlight{background:var(--backlight-paper);color:var(--backlight-text);
 font:14px/1.5 system-ui,sans-serif;padding:8px 10px;overflow-wrap:anywhere}
.backlight .soft,.backlight figcaption{color:var(--backlight-soft);font-size:12px}
.backlight .for{background:rgb(var(--backlight-for)/var(--share))}
.backlight .against{background:rgb(var(--backlight-against)/var(--share))}
.backlight .tokens{color:var(--backlight-ink);white-space:pre-wrap;line-height:1.9;max-width:80ch}
.backlight .tokens span{border-radius:3px;padding:2px 1px;box-decoration-break:clone}
.backlight .tokens .apart{color:var(--backlight-text);border:1px dashed var(--backlight-soft);
 font-size:11px;padding:0 3px;white-space:nowrap}
.backlight table{border-collapse:collapse;table-layout:auto;width:auto;background:none;border:0;margin:0}
.backlight table.bars tr{background:none}
.backlight table.bars :is(th,td){padding:1px 6px;text-align:right;font-size:13px;border:0;
 color:var(--backlight-text);background:none;font-variant-numeric:tabular-nums;max-width:30ch}
.backlight table.bars th{text-align:left;font-weight:400;overflow-wrap:break-word}
.backlight table.bars td{white-space:nowrap}
.backlight table.bars :is(thead th,.rest){color:var(--backlight-soft);font-size:12px;text-align:left}
.backlight table.bars .track{width:130px;min-width:70px;padding:1px 0}
.backlight table.bars .track div{height:11px;--share:1}
.backlight .channel{max-width:720px;margin:4px 0}
.backlight .channel svg{display:block;border-bottom:1px solid var(--backlight-line)}
.backlight .channel .for{fill:rgb(var(--backlight-for)/var(--share))}
.backlight .channel .against{fill:rgb(var(--backlight-against)/var(--share))}
.backlight .channel polyline{stroke-width:1.3}
.backlight :is(.examples,.slices){display:flex;flex-wrap:wrap;gap:12px;margin:6px 0}
.backlight figure{margin:0;max-width:100%;overflow-x:auto}
.backlight figure>img+img{margin-left:4px}
.backlight figcaption{max-width:52ch}
.backlight :is(.scale,.beside th:first-child) img{display:block;max-width:none}
.backlight .scale img{height:8px}
.backlight .layer{display:flex;flex-wrap:wrap;gap:12px;margin:6px 0;align-items:flex-start}
.backlight .layer img{height:96px}
.backlight .channels{display:flex;flex-wrap:wrap;gap:8px;flex:1 1 300px}
.backlight .channels span{color:var(--backlight-ink);padding:1px 3px;border-radius:3px}
.backlight .wide{overflow-x:auto}
.backlight table.beside>*>tr{background:none}
.backlight table.beside>*>tr>:is(th,td){text-align:left;vertical-align:top;
 font-weight:400;padding:6px 14px 6px 0;min-width:180px;max-width:60ch;border:0;
 color:var(--backlight-text);background:none}
.backlight table.beside>*>tr>th:first-child{min-width:0}
.backlight h4{margin:8px 0 0}
.backlight img{max-width:100%;height:150px;width:auto;object-fit:contain;margin:0;
 image-rendering:pixelated}
.backlight .scale{display:inline-block;margin-right:16px;font-size:12px;color:var(--backlight-soft)}
.backlight .scale div{height:8px;width:180px}
"""


def hosts(selectors: tuple[str, ...]) -> str:
    return ",".join(f"{one} .backlight" for one in selectors)


STYLE = (
    f".backlight{{{LIGHT}}}@media (prefers-color-scheme:dark){{.backlight{{{DARK}}}}}"
    f"{hosts(LIGHT_HOSTS)}{{{LIGHT}}}{hosts(DARK_HOSTS)}{{{DARK}}}{RULES}"
)
"""CSS, to stand once in a page that has fragments."""


def styled(html: str) -> str:
    """Fragments with what they need to stand anywhere."""
    return f'<style>{STYLE}</style><div class="backlight">{html}</div>'
