"""The file of run.sh -> markdown tables: python3 table.py [results.jsonl]. Several rounds of one combination: the lowest median and the lowest minimum count."""
import json, os, sys
PEAK = float(os.environ.get("PEAK_GFLOPS", "117"))   # of float32 FMA on one core, as limits.c measures it (117: Zen 4)
MAC = {  # multiply-adds of the forward pass of one step, and of the first layer (no input gradient there)
    "W1": (16 * (13 * 32 + 32), 16 * 13 * 32),
    "W2": (32 * (784 * 128 + 128 * 64 + 640), 32 * 784 * 128),
    "W3": (256 * (784 * 1024 + 2 * 1024 ** 2 + 10240), 256 * 784 * 1024),
    "W4": (64 * (26 * 26 * 32 * 9 + 24 * 24 * 64 * 288 + 9216 * 128 + 1280), 64 * 26 * 26 * 32 * 9),
    "W5": (768 * (4 * (12 * 128 ** 2 + 2 * 64 * 128) + 65 * 128), 0),
    "W6": (2048 * (6 * 128 * 128 + 128 * 65), 0)}
FLOP = {w: 2 * (3 * m - f) for w, (m, f) in MAC.items()}   # forward + weight gradients + input gradients
PARAMS = {"W1": 481, "W2": 109386, "W3": 2913290, "W4": 1199882, "W5": 4 * (12 * 128 ** 2 + 256) + 65 * 128 + 64 * 128 + 128, "W6": 65 * 128 + 2 * 128 * 384 + 2 * 384 + 128 * 65 + 65}
def load(f):
    R = {}
    for l in open(f):
        r = json.loads(l); k = (r["workload"], r["peer"], r["threads"]); o = R.get(k)
        if o is None: R[k] = dict(r, rounds=1); continue
        m = min(o["step_us_min"], r["step_us_min"]); n = o["rounds"] + 1
        b = dict(o if o["step_us_median"] <= r["step_us_median"] else r); b.update(step_us_min=m, rounds=n); R[k] = b
    return R
if __name__ == "__main__":
    R = load((sys.argv[1:] or [os.path.join(os.environ.get("PEERS_DIR", ".peers"), "results.jsonl")])[0])
    print("| workload | GEMM/conv FLOP a step | parameters | time at peak, 1 / 2 cores (us) |\n|---|---|---|---|")
    for w in FLOP: print(f"| {w} | {FLOP[w]/1e6:.3f} M | {PARAMS[w]:,} | {FLOP[w]/PEAK/1e3:.1f} / {FLOP[w]/PEAK/2e3:.1f} |")
    for w in FLOP:
        if not any(k[0] == w for k in R): continue
        print(f"\n{w} ({FLOP[w]/1e6:.2f} MFLOP)\n\n| peer | threads | step us median | min | GFLOP/s | % of peak | first step ms | peak RSS MB | loss first > last (steps) |\n|---|---|---|---|---|---|---|---|---|")
        for (ww, p, t), r in sorted(((k, v) for k, v in R.items() if k[0] == w), key=lambda kv: kv[1]["step_us_median"]):
            g = FLOP[w] / r["step_us_median"] / 1e3
            print(f"| {p} | {t} | {r['step_us_median']:,.0f} | {r['step_us_min']:,.0f} | {g:.2f} | {100*g/PEAK/t:.2f} | {r['first_step_ms']:,.0f} | {r['peak_rss_mb']} | {r['loss_first']} > {r['loss_last']} ({r['steps']}) |")
