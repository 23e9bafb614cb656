import { fontFamily, pictureCss, themeCss } from '@lloom/inspector/html';

/** Colours of this page alone, beside those of pictures. */
const own = {
  light:
    '--goodInk:#07684a;--warnInk:#8a4507;--warnBox:#fdf1e0;--badBox:#fdecec;--infoBox:#eaedfc;--grid:#e6e8ee;--quiet:#5a5f6c',
  dark: '--goodInk:#4ad6a2;--warnInk:#f0b566;--warnBox:#33260f;--badBox:#3a1c20;--infoBox:#20263f;--grid:#2a2d37;--quiet:#a3a7b4',
};

/** How the page looks. Classes say what a thing is. */
export const pageCss = `${themeCss(':root')}${pictureCss}
:root{color-scheme:light;${own.light}}
@media (prefers-color-scheme:dark){:root{color-scheme:dark;${own.dark}}}
:root[data-theme=light]{color-scheme:light;${own.light}}
:root[data-theme=dark]{color-scheme:dark;${own.dark}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--panel);color:var(--ink);font:14px/1.5 ${fontFamily}}
h1,h2,h3,p,dl,dd,ul,ol{margin:0;padding:0}
ul,ol{list-style:none}
h2{font-size:16px;line-height:1.3}
h3{font-size:14px;line-height:1.4;overflow-wrap:anywhere}
code{font:12.5px/1.5 ui-monospace,'SF Mono',Menlo,Consolas,'Liberation Mono',monospace;overflow-wrap:anywhere;unicode-bidi:isolate}
button,input,select{font:inherit;color:var(--ink);background:var(--box);border:1px solid var(--line);border-radius:8px}
button{cursor:pointer}
:focus-visible{outline:2px solid var(--invoke);outline-offset:2px}
[hidden]{display:none!important}
.spoken{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip{position:absolute;left:-999px;top:4px;z-index:9;background:var(--box);padding:6px 12px}
.skip:focus{left:8px}
.soft{color:var(--quiet);font-weight:400}
.low{color:var(--error)}
.figure,.number{font-variant-numeric:tabular-nums}
.nothing{color:var(--quiet);padding:14px 0}
body>.nothing{padding:48px 24px;text-align:center}
.quiet{font-size:13px;line-height:1.4;padding:4px 10px;white-space:nowrap}
.quiet:hover{border-color:var(--quiet)}
.quiet[aria-pressed=true]{background:var(--infoBox);border-color:var(--invoke)}
.quiet[data-said]{color:transparent;position:relative}
.quiet[data-said]::after{content:attr(data-said);position:absolute;inset:4px 0;text-align:center;color:var(--goodInk)}
.link{border:0;background:none;padding:2px 0;color:var(--invoke);text-align:left;overflow-wrap:anywhere;border-radius:4px}
.link:hover{text-decoration:underline}
.link b{font-weight:600}
.head{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:center}
.pill{display:inline-block;max-width:100%;padding:0 8px;border:1px solid var(--line);border-radius:99px;background:var(--panel);font-size:12.5px;line-height:1.55;overflow-wrap:anywhere}
.pill.good{color:var(--goodInk);background:var(--usedBox);border-color:var(--used)}
.pill.bad{color:var(--error);background:var(--badBox);border-color:currentColor}
.pill.warn{color:var(--warnInk);background:var(--warnBox);border-color:var(--guard)}
.pill.info{color:var(--invoke);background:var(--infoBox);border-color:currentColor}
header{position:sticky;top:0;z-index:5;display:flex;flex-wrap:wrap;gap:6px 18px;align-items:center;padding:9px 24px;background:var(--ground);border-bottom:1px solid var(--line)}
.who,.standing,.connection{display:flex;gap:8px;align-items:center;flex-wrap:wrap}
header .who{font-size:16px}
header .own{width:22px;height:22px}
.connection{margin-left:auto}
.light{width:9px;height:9px;border-radius:50%;background:var(--quiet)}
[data-phase=live] .light{background:var(--used)}
[data-phase=reconnecting] .light,[data-phase=connecting] .light,[data-phase=crowded] .light{background:var(--now)}
[data-phase=stopped] .light,[data-phase=refused] .light{background:var(--error)}
:root:not([data-phase=live]) .connection{font-weight:600}
:root:not([data-phase=live]) main{filter:grayscale(1)}
[data-phase=stopped] .standing,[data-phase=refused] .standing{display:none}
main{display:grid;grid-template-columns:repeat(12,minmax(0,1fr));gap:14px;max-width:1560px;margin:0 auto;padding:14px 24px 48px;outline:0}
.wide{grid-column:span 12}.big{grid-column:span 8}.small{grid-column:span 4}.seven{grid-column:span 7}.five{grid-column:span 5}.tall{grid-row:span 2}
.card{background:var(--ground);border:1px solid var(--line);border-radius:12px;padding:14px 16px;min-width:0}
.card>h2,.card>.head{margin-bottom:8px}
.said{margin-bottom:6px;font-size:13px}
.more{margin-top:8px;font-size:13px;color:var(--quiet)}
.tiles{display:grid;grid-template-columns:repeat(6,minmax(0,1fr));gap:14px}
.tile{position:relative;background:var(--ground);border:1px solid var(--line);border-radius:12px;padding:10px 14px 42px;overflow:hidden;min-width:0}
.tile dt{font-size:13px;color:var(--quiet)}
.tile b{display:block;font-size:23px;line-height:1.3;font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}
.tile dd span{font-size:12.5px}
.curve{position:absolute;left:0;right:0;bottom:0;width:100%;height:36px}
.curve .line{fill:none;stroke:var(--used);stroke-width:1.5;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.curve .area{fill:var(--used);opacity:.13}
.tile progress{position:absolute;left:14px;right:14px;bottom:16px;width:calc(100% - 28px)}
progress{appearance:none;height:6px;border:0;border-radius:3px;overflow:hidden;background:var(--grid);vertical-align:middle}
progress::-webkit-progress-bar{background:var(--grid)}
progress::-webkit-progress-value{background:var(--used)}
progress::-moz-progress-bar{background:var(--used)}
.bar{display:flex;flex-wrap:wrap;gap:6px 18px;align-items:center;justify-content:space-between;font-size:13px}
.bar label{max-width:100%}
.bar select{max-width:min(100%,300px);padding:3px 6px}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;color:var(--quiet)}
.legend li{display:flex;gap:5px;align-items:center;white-space:nowrap}
.legend svg{width:14px;height:14px}
.legend svg.wide{width:26px}
.legend path.meshed{stroke:var(--used);stroke-width:2.5}
.legend path.relayed{stroke:var(--guard);stroke-width:1.5;stroke-dasharray:5 4}
.picture{position:relative;height:470px}
.picture svg,.measure{position:absolute;inset:0;width:100%;height:100%}
.measure{pointer-events:none;visibility:hidden}
.over{text-align:center}
.mark{fill:var(--panel);stroke:var(--quiet);stroke-width:1.6;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.mark.executor{fill:var(--infoBox);stroke:var(--invoke)}
.mark.validator{fill:var(--usedBox);stroke:var(--used)}
.mark.relay{fill:var(--warnBox);stroke:var(--guard)}
.ring{fill:none;stroke:var(--grid)}
.link .way{fill:none}
.picture .way{fill:none;stroke:var(--wire);stroke-width:1;opacity:.75}
.picture .meshed .way{stroke:var(--used);stroke-width:2.2;opacity:1}
.picture .relayed .way{stroke:var(--guard);stroke-width:1.4;stroke-dasharray:5 4;opacity:1}
.picture .chevron{fill:none;stroke:var(--wire);stroke-width:1.4;stroke-linecap:round;stroke-linejoin:round}
.picture .meshed .chevron{stroke:var(--used)}
.picture .many .chevron{display:none}
.picture .many .way{opacity:.35}
.picture .many .meshed .way{stroke-width:1.4;opacity:.8}
.picture text{font-size:11.5px;fill:var(--ink);text-anchor:middle;paint-order:stroke;stroke:var(--ground);stroke-width:4px;stroke-linejoin:round}
.picture .what{fill:var(--quiet);font-size:11px}
.picture .name{font-weight:600}
.picture .node{cursor:pointer}
.picture .this{cursor:default}
.halo{fill:var(--ground);stroke:none}
.meshed .halo{stroke:var(--used);stroke-width:1.2;stroke-opacity:.7}
.node:hover .halo,.chosen .halo{stroke:var(--now);stroke-width:2.2;stroke-opacity:1}
.node:focus{outline:0}.node:focus-visible .halo{stroke:var(--invoke);stroke-width:2.5;stroke-opacity:1}
.this .halo{stroke:var(--line);stroke-width:1;stroke-opacity:1}
.this:hover .halo{stroke:var(--line);stroke-width:1}
.gone .mark{stroke:var(--error);stroke-dasharray:3 2}
.gone .what{fill:var(--error);font-weight:600}
.picture .gone .way{stroke:var(--error);stroke-dasharray:2 4;opacity:1}
.gone .chevron{display:none}
.scroll{max-height:530px;overflow-y:auto;margin-right:-8px;padding-right:8px}
.requests li{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:2px 10px;padding:8px 0;border-top:1px solid var(--grid)}
.requests li:first-child{border:0}
.requests .head{gap:2px 6px}
.requests .way{font-size:12.5px;color:var(--quiet)}
.requests .states{grid-column:1/-1;display:flex;flex-wrap:wrap;gap:3px 12px;font-size:13px;min-height:23px}
.requests .ended .head,.requests .ended .age{opacity:.8}
.age{display:flex;flex-direction:column;gap:3px;align-items:flex-end;font-size:13px;white-space:nowrap}
.age progress{width:92px;height:5px}
.only{display:flex;align-items:center;gap:6px;margin-left:auto}
.only+.search{margin-left:0}
.search{flex:1 1 220px;max-width:340px;margin-left:auto}
.search input{width:100%;padding:5px 10px}
::placeholder{color:var(--quiet);opacity:1}
table{border-collapse:collapse;width:100%}
th,td{padding:5px 14px 5px 0;text-align:left;vertical-align:top;overflow-wrap:anywhere;font-weight:400}
tbody tr>*{border-top:1px solid var(--grid)}
thead th{font-size:12.5px;color:var(--quiet);font-weight:600;white-space:nowrap}
.number{text-align:right}
tbody .number{white-space:nowrap}
.sort{border:0;background:none;padding:2px 0;font-weight:600;color:var(--quiet)}
.sort::after{content:'';display:inline-block;width:1em;text-align:center}
.sort:hover,[aria-sort] .sort{color:var(--ink)}
[aria-sort=ascending] .sort::after{content:'↑'}
[aria-sort=descending] .sort::after{content:'↓'}
td.number,th.number{padding-right:28px}
td .who,th .who{gap:2px 8px}
th .who::before{content:'';width:8px;height:8px;border-radius:50%;border:1.5px solid var(--quiet);flex:none}
th .who.connected::before{background:var(--used);border-color:var(--used)}
th .who.banned::before{border-color:var(--error)}
.who.connected .soft{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.machines th:first-child{width:26%}
.machines td.number{width:9%}
.machines .states{font-size:13px}
.machines .part{display:inline-block;margin-right:16px}
svg.share{display:inline-block;width:56px;height:7px;margin-left:6px;border-radius:3px;background:var(--grid);vertical-align:1px}
.share rect{fill:var(--used)}
.topic{padding:8px 0;border-top:1px solid var(--grid)}
.topic:first-child{border:0;padding-top:0}
.chips{display:flex;flex-wrap:wrap;gap:4px 12px;margin-top:3px;font-size:13px}
.facts{display:grid;grid-template-columns:minmax(0,150px) minmax(0,1fr);gap:3px 14px;margin:8px 0}
.facts>div{display:contents}
.facts dt{color:var(--quiet)}
.facts dd{overflow-wrap:anywhere;min-width:0}
.plain>li{padding:2px 0;overflow-wrap:anywhere}
.card details,#drawer details{margin-top:8px}
summary{cursor:pointer;font-weight:600}
.narrow{font-size:13px}
#drawer{position:fixed;inset:0 0 0 auto;z-index:8;width:min(460px,100vw);max-width:none;height:100dvh;max-height:none;margin:0;padding:0 20px 32px;overflow-y:auto;overscroll-behavior:contain;background:var(--ground);color:var(--ink);border:0;border-left:1px solid var(--line);box-shadow:-8px 0 32px rgb(0 0 0/.12)}
#drawer[data-kind=request],#drawer[data-kind=machine],#drawer[data-kind=actor]{width:min(860px,100vw)}
#drawer>.head{position:sticky;top:0;z-index:2;background:var(--ground);padding:14px 0 10px;border-bottom:1px solid var(--grid);margin-bottom:10px;flex-wrap:nowrap}
#drawer h2{flex:1;min-width:0;overflow-wrap:anywhere}
#drawer h3{margin-top:14px}
#drawer .head h3{margin:0}
#drawer::backdrop{background:rgb(0 0 0/.35)}
.actor{margin-top:18px}
.chart{margin:8px 0;overflow-x:auto;border:1px solid var(--grid);border-radius:10px;background:var(--ground);padding:8px;color:var(--quiet)}
.chart>svg{display:block;margin:0 auto;max-width:100%;height:auto}
.chart.full>svg{max-width:none}
.chart .living{fill:var(--now);font-weight:700;font-size:12px}
.steps{font-size:13px}
.steps li{padding:2px 0;border-top:1px solid var(--grid);overflow-wrap:anywhere}
.steps li:first-child{border:0}
.steps .figure{display:inline-block;min-width:92px}
.refused{color:var(--warnInk)}
@media (max-width:1180px){.big,.small,.seven,.five{grid-column:span 12}.tiles{grid-template-columns:repeat(3,minmax(0,1fr))}}
@media (max-width:760px){
header{padding:8px 14px;position:static;gap:6px 12px}
main{padding:10px 10px 40px;gap:10px}
.tiles{grid-template-columns:1fr 1fr;gap:10px}
.tile b{font-size:19px}
.card{padding:12px}
.connection{margin-left:0}
#theme{margin-left:auto}
.picture{height:340px}
.stacking thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.stacking,.stacking tbody{display:block}
.stacking tr{display:flex;flex-wrap:wrap;gap:0 14px;padding:8px 0;border-top:1px solid var(--grid)}
.stacking th,.stacking td{display:block;border:0;padding:0}
.stacking th{flex-basis:100%}
.stacking td:empty{display:none}
.stacking td{font-size:13px;text-align:left}
.stacking td:not(:empty)::before{content:attr(data-name) ': ';color:var(--quiet)}
.machines thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.machines tr{display:grid;grid-template-columns:minmax(0,1fr) auto auto;padding:6px 0;border-top:1px solid var(--grid)}
.machines tr>*{border:0;padding:0 0 0 10px}.machines th:first-child,.machines td.number{width:auto}
.machines th:first-child,.machines td.states{padding-left:0}
.machines td.states{grid-column:1/-1}
.machines td.number::after{content:' ' attr(data-name);color:var(--quiet);font-size:12.5px}
.facts{grid-template-columns:minmax(0,110px) minmax(0,1fr);gap:3px 10px}
#drawer{width:100vw!important;border:0;padding:0 14px 32px}
.search{margin-left:0;max-width:none}
}
@media (prefers-reduced-motion:no-preference){
.node,.picture g.link{animation:come .5s ease-out}
.gone{animation:go 5s ease-in forwards!important}
.chart .hit .edge,.chart .state,.chart .group{transition:stroke .25s,fill .25s}
#drawer[open]{animation:slide .16s ease-out}
}
@keyframes come{from{opacity:0}}
@keyframes go{60%{opacity:1}to{opacity:0}}
@keyframes slide{from{transform:translateX(24px);opacity:0}}
`;
