import { fontFamily, themeCss } from '../internal/theme.ts';

/** The look of pages. Without scripts all of a page is one column below the other; with them each part has its place. */
export const pageCss = `
${themeCss('body')}
:root{color-scheme:light dark}
:root[data-theme=light]{color-scheme:light}
:root[data-theme=dark]{color-scheme:dark}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:14px/1.5 ${fontFamily};overflow-wrap:anywhere}
h1{margin:0;font-size:18px;line-height:1.3}
h2{margin:0;font-size:16px}
h3{margin:0 0 2px;font-size:13px}
p{margin:0}
a{color:var(--invoke)}
header{display:flex;gap:12px;justify-content:space-between;align-items:flex-start;padding:14px 20px;border-bottom:1px solid var(--line)}
.figures,.soft{color:var(--soft)}
.outcome.good{color:var(--used)}
.outcome.bad{color:var(--error)}
.dropped{color:var(--guard)}
.scripts{display:none!important}
.scripted .scripts{display:flex!important}
button,select,input[type=search]{font:inherit;font-size:13px;color:var(--ink);background:var(--box);border:1px solid var(--line);border-radius:7px;padding:3px 9px;min-height:30px}
button{cursor:pointer}
button:hover:not(:disabled){border-color:var(--soft)}
button:disabled{opacity:.45;cursor:default}
:focus-visible{outline:2px solid var(--invoke);outline-offset:2px}
.view:focus-visible{outline-offset:-2px}
.tools,.buttons,.of{display:flex;gap:6px;align-items:center;flex:none}
.of{color:var(--soft);font-size:13px}
.buttons{gap:0}
.buttons button{border-radius:0;margin-left:-1px;min-width:34px}
.buttons button:first-child{border-radius:7px 0 0 7px}
.buttons button:last-child{border-radius:0 7px 7px 0}
.icon{display:block;margin:auto;fill:currentColor;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}
#play{color:var(--used)}
.toPause,.playing .toPlay{display:none}
.playing .toPause{display:block}
.player{gap:8px 14px;align-items:center;padding:9px 20px;border-bottom:1px solid var(--line);flex-wrap:wrap}
#slider{flex:1 1 200px;min-width:0;height:26px;accent-color:var(--used);margin:0}
#position{min-width:230px;font-variant-numeric:tabular-nums;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
input[type=checkbox]{accent-color:var(--used);width:16px;height:16px;margin:0}
main{padding:12px 20px}
.view{overflow:auto}
.view svg{display:block;max-width:100%;height:auto}
.machine{margin:0 0 24px}
.chooser,.filter{gap:6px 12px;align-items:center;padding:8px 12px;border-bottom:1px solid var(--line);flex-wrap:wrap;min-height:47px}
.tabs{display:flex;gap:4px;flex:1 1 160px;min-width:0;overflow-x:auto;scrollbar-width:thin;padding:2px}
.tabs button{border-color:transparent;background:none;white-space:nowrap;color:var(--soft);flex:none}
.tabs button[aria-selected=true]{background:var(--usedBox);border-color:var(--used);color:var(--ink);font-weight:600}
.of select{max-width:170px}
.filter .of{flex:0 1 auto}
#filter{width:170px;max-width:46vw}
.chips{display:inline-flex;gap:4px;align-items:center;flex-wrap:wrap;font-size:13px}
.chip{border-radius:99px;min-height:26px;padding:1px 10px}
.chip[aria-pressed=true]{background:var(--usedBox);border-color:var(--used);font-weight:600}
#found{font-size:13px}
.coverage{margin:8px 12px}
summary{cursor:pointer}
.share{white-space:nowrap;margin-left:10px}
.meter{margin:0 7px;vertical-align:0;fill:var(--line)}
.meter .whole{fill:var(--used)}
.meter .part{fill:var(--now)}
.lists{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,2fr);gap:10px 24px;padding:8px 0 4px 16px}
.lists>:only-child{grid-column:1/-1}
.missed{margin:0;padding-left:16px;font-size:13px}
.missed button{vertical-align:top;border:0;background:none;padding:0;min-height:0;text-align:left;color:var(--invoke);text-decoration:underline;text-decoration-color:var(--line);text-underline-offset:3px}
.scripted .step.scripts{display:block!important}
.step{padding:8px 12px;border-top:1px solid var(--line);font-size:13px;line-height:1.5}
.step b{color:var(--soft);font-weight:400;margin-right:4px}
.step p:first-child b{color:var(--ink);font-weight:600}
.scripted .messages [data-entry]{cursor:pointer}
.scripted [data-state],.scripted [data-heading],.scripted [data-transition]{cursor:pointer}
.lm .out{opacity:.14}
.flash{animation:flash 1.6s ease-out}
@keyframes flash{0%,40%,80%{filter:drop-shadow(0 0 3px var(--now)) drop-shadow(0 0 7px var(--now))}20%,60%,100%{filter:none}}
dialog{color:var(--ink);background:var(--panel);border:1px solid var(--line);border-radius:12px;padding:18px 22px;max-width:min(560px,calc(100vw - 32px))}
dialog::backdrop{background:#0008}
dl{display:grid;grid-template-columns:auto 1fr;gap:5px 16px;margin:12px 0}
dd{margin:0}
kbd{font:inherit;font-size:12px;border:1px solid var(--line);border-bottom-width:2px;border-radius:5px;padding:1px 7px;white-space:nowrap;background:var(--box)}
dialog form{margin-top:14px;text-align:right}
.scripted .view svg{max-width:none;margin:0 auto;flex:none}
.scripted .view{cursor:grab}
.scripted .machine{margin:0}
table{border-collapse:collapse;width:100%;font-size:13px}
.scroll{overflow-x:auto;margin:12px 0 20px}
th{overflow-wrap:break-word}
td,th{padding:5px 16px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-weight:400}
td .share{margin:0}
td .meter{margin-left:0}
.covered .filter{padding:0 0 8px;border:0}
.covered .machine{margin:0 0 30px;border:1px solid var(--line);border-radius:10px;overflow:clip}
.covered .title{display:flex;flex-wrap:wrap;gap:6px 10px;align-items:center;padding:9px 14px;border-bottom:1px solid var(--line)}
.covered .title .buttons{margin-left:auto}
.covered .view{max-height:1100px;padding:6px}
.covered .lists{padding:10px 14px}
.tests{margin:8px 14px 12px}
.tests ul{margin:6px 0;padding-left:20px}
[hidden]{display:none!important}
@media screen and (min-width:901px){
html.scripted:has(.run){height:100%}
.scripted body:has(.run){height:100%;display:flex;flex-direction:column;overflow:hidden}
.scripted .run{flex:1;min-height:0;padding:0;display:grid;grid-template-columns:minmax(0,23fr) minmax(0,17fr)}
.scripted .machines,.scripted .messages{display:flex;flex-direction:column;min-height:0;min-width:0}
.scripted .messages{border-left:1px solid var(--line)}
.scripted .run .machine:not([hidden]){flex:1;min-height:0;display:flex;flex-direction:column}
.scripted .run .view{flex:1;min-height:0}
.scripted .coverage{max-height:34%;overflow:auto;flex:none}
.scripted .step{height:98px;overflow:auto;flex:none}
}
@media screen and (max-width:900px){
header,.player{padding-left:12px;padding-right:12px}
main{padding:12px}
.run{padding:0}
header{flex-wrap:wrap}
.covered table,.covered tbody{display:block}
.covered thead{position:absolute;clip-path:inset(50%)}
.covered tr{display:flex;flex-wrap:wrap;gap:2px 14px;padding:8px 0;border-bottom:1px solid var(--line)}
.covered tr>*{border:0;padding:0}
.covered tr>:first-child,.covered tr>:last-child{flex-basis:100%}
.scripted .player{position:sticky;top:0;z-index:2;background:var(--ground)}
.player .buttons{order:1}
#position{order:2;flex:1 1 120px;min-width:0}
#slider{order:3;flex-basis:100%}
.player .of{order:4}
.scripted .run .machine .view{height:52vh;height:52dvh}
.scripted .messages .view{height:70vh;height:70dvh}
.messages{border-top:1px solid var(--line)}
.share{display:block;margin:0}
.lists{padding-left:4px;grid-template-columns:minmax(0,1fr)}
}
@media (prefers-reduced-motion:reduce){.flash{animation-timing-function:step-end}}
@media print{
.scripts,.scripted .scripts,.scripted .step.scripts{display:none!important}
.view,.covered .view{overflow:visible;height:auto!important;max-height:none}
.view svg{width:auto!important;height:auto!important;max-width:100%!important}
.heads{transform:none}
.run .machine[hidden]{display:block!important}
.scripted .machine{margin-bottom:24px}
.machine .view,tr,li{break-inside:avoid}
.view svg,.meter{print-color-adjust:exact}
}
`.trim();
