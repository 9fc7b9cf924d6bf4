"""How the project's pages look: readable at phone width, in dark mode, printed; nothing by colour alone."""

# Of every page: colours, letters, links, tables, folded parts.
BASE = """
:root { --ink: #1f2328; --paper: #fff; --quiet: #59636e; --box: #f6f8fa; --line: #d1d9e0;
  --link: #0550ae; --bad: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --quiet: #9da7b3; --box: #161b22; --line: #3d444d;
    --link: #79c0ff; --bad: #ffa198 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 0 1rem 3rem; max-width: 52rem; color: var(--ink);
  background: var(--paper); font: 1.0625rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere }
a { color: var(--link) }
a:focus-visible, summary:focus-visible, .wide:focus-visible, .scroll:focus-visible {
  outline: 3px solid var(--link) }
.skip { position: absolute; left: -99rem }
.skip:focus { position: static }
table { border-collapse: collapse; font-size: .9rem; overflow-wrap: normal }
th, td { border: 1px solid var(--line); padding: .25rem .6rem }
details { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem; margin: 1rem 0 }
summary { cursor: pointer }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .2rem 1rem }
dt { color: var(--quiet) }
dd { margin: 0 }
"""

STYLE = (
    BASE
    + """
h1, h2 { line-height: 1.25; margin: 2em 0 .5em }
h1 { margin: 0 }
h2 { border-top: 1px solid var(--line); padding-top: 1em }
header { padding-top: 1.5rem }
.kind { margin: 0; color: var(--quiet) }
.question { font-style: italic; margin-top: 0 }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; margin: 1rem 0; padding: 0 }
.wide { margin: 1rem 0 }
.wide, .scroll { overflow-x: auto }
th, td { text-align: left; vertical-align: top }
thead th { background: var(--box) }
tbody th { font-weight: normal; min-width: 9rem }
td { white-space: nowrap; font-variant-numeric: tabular-nums }
details { margin: .7rem 0 }
figcaption { color: #59636e; font-size: .9rem; padding: .2rem .4rem }
figure { margin: 1rem 0; background: #fff; width: fit-content; max-width: 100% }
figure.text { background: none }
figure.text figcaption { color: var(--quiet); padding: 0 }
img { display: block; max-width: max(100%, 32rem); height: auto }
.verdict { border-left: 4px solid var(--link); padding-left: .8rem }
.verdict strong { display: inline-block; border: 1px solid var(--line); border-radius: 6px;
  background: var(--box); padding: 0 .5rem; margin-right: .3rem; font-size: .9rem }
.limits, .missing { color: var(--quiet) }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt }
  nav, .skip { display: none }
  figure, .verdict, tr { break-inside: avoid }
  h2 { break-after: avoid }
  .wide, .scroll { overflow: visible }
  img { max-width: 100% }
  td { white-space: normal }
  details::details-content { content-visibility: visible; display: block }
}
"""
)
