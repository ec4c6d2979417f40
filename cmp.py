import httpx, json, sys, itertools
A,B=sys.argv[1:3]
c=httpx.Client(trust_env=False,timeout=60)
S="600519.SH,000001.SZ,510300.SH,rb2701.SHFE,000300.SH,113050.SH,430047.BJ"
P="/api/v1/market_data/"
R="start_date=2026-10-01&end_date=2026-11-20"
paths=[P+"latest?symbols="+S, P+"latest?symbols=600519.SH,600001.SH,abc", P+"latest?symbols=600001.SH", P+"latest?symbols=bad", P+"latest",
 P+"full?symbols="+S+"&depth=10", P+"full?symbols=600519.SH&fields=all",P+"full?symbols=600519.SH&depth=99",
 P+"instrument_detail?symbols="+S+",600001.SH",P+"instrument_detail?symbols=600001.SH",
 *[P+f"trading_dates?market={m}&{R}" for m in ("SH","SZ","SHFE","XX")], P+"trading_dates?market=SH&start_date=2040-01-01&end_date=2040-02-01",
 P+"trading_dates?market=SH&start_date=2026-12-01&end_date=2026-12-31",
 P+"stock_list?sector=SH",P+"stock_list?market=SH",P+"stock_list",P+"stock_list?sector=nonsense",P+"stock_list?sector=%E6%B2%AA%E6%B7%B1A%E8%82%A1",
 P+"latest?symbols=600519.SH&use_cache=false",P+"latest?symbols=600519.SH&max_staleness=0", "/api/v1/nothing",
 "/latest_market?symbols="+S,"/full_market?symbols="+S,"/instrument_detail?symbol=600519.SH","/instrument_detail?symbol=600001.SH","/trading_dates?market=SH&"+R,"/api/get_trading_dates?market=SH&"+R,"/stock_list?sector=SH","/stock_list",
 "/hist_kline?symbol=600519.SH&frequency=1d&start_date=20261001&end_date=20261120","/hist_kline?symbol=600519.SH&frequency=5m&start_date=20261101&end_date=20261120","/hist_kline?symbol=600001.SH&frequency=1d&start_date=20261001&end_date=20261120","/latest_market?symbols=600001.SH","/latest_market?symbols=foo"]
for per in "1m 5m 15m 30m 60m 1h 1d 1w 1M 1mon".split():
    for adj in ("none","pre","post"):
        paths.append(P+f"history?symbols=600519.SH,000001.SZ,rb2701.SHFE,600001.SH&{R}&period={per}&adjust={adj}")
paths+= [P+f"history?symbols=600519.SH&start_date=2026-11-21&end_date=2026-11-22&period={p}" for p in ("1d","1m","1w")]
paths+= [P+f"history?symbols=600519.SH&start_date=2026-11-20 10:00:00&end_date=2026-11-20 11:00:00&period=1m"]
paths+= [P+f"history?symbols=rb88.SHFE&{R}&period=1d", P+f"history?symbols=600519.SH&start_date=1980-01-01&end_date=1981-01-01&period=1d",P+f"history?symbols=600519.SH&start_date=2010-01-01&end_date=2026-11-20&period=1m",P+f"history?symbols=600519.SH&start_date=2000-01-01&end_date=2026-11-20&period=1d&adjust=pre",P+f"history?symbols=600519.SH&{R}&period=1d&adjust=pre&adjust_base=2026-10-15", P+f"history?symbols=600519.SH&{R}&period=1d&format=csv"]
paths+= [P+"history?symbols="+",".join(f"6005{i:02d}.SH" for i in range(100))+"&start_date=2016-01-01&end_date=2026-11-20&period=1d"]
ticks=[P+f"ticks?symbols=600519.SH&start_date=2026-11-20&end_date=2026-11-20","/api/v1/revisions?symbol=600519.SH"]
def clean(o):
    if isinstance(o,dict):
        return {k:clean(v) for k,v in o.items() if k not in ("via","trace_id","request_id","response_time_ms","timestamp","age","attempts","query_time","elapsed_ms")}
    if isinstance(o,list): return [clean(x) for x in o]
    return o
def get(base,p):
    r=c.get(base+p)
    try: b=clean(r.json())
    except Exception: b=r.text
    return r,b
bad=0
H=["X-Argus-Source","X-Argus-Simulated","X-Argus-Stale","Content-Type","Retry-After","X-Argus-Errors","Cache-Control"]
for p in paths+ticks:
    try:
        (ra,a),(rb,b)=get(A,p),get(B,p)
    except Exception as e: print("EXC",p,repr(e)); continue
    hd=[(h,ra.headers.get(h),rb.headers.get(h)) for h in H if ra.headers.get(h)!=rb.headers.get(h)]
    if ra.status_code!=rb.status_code or a!=b or hd:
        bad+=1; print("DIFF",p[:140],ra.status_code,rb.status_code,hd)
        print("   A",json.dumps(a,ensure_ascii=False)[:500]); print("   B",json.dumps(b,ensure_ascii=False)[:500])
        if isinstance(a,dict) and isinstance(b,dict):
            for k in a.keys()|b.keys():
                if a.get(k)!=b.get(k): print("   key",k,str(a.get(k))[-300:],"|||",str(b.get(k))[-300:])
    elif "-v" in sys.argv: print("ok",ra.status_code,len(ra.content),p[:110])
print(len(paths),"paths",bad,"differ")
