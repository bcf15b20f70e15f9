"""A small Streamlit page over Wattscope's HTTP API, to go on from: see README.md beside it.

::

    pip install streamlit
    WATTSCOPE_URL=http://127.0.0.1:8000 streamlit run examples/grid_streamlit.py
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

import grid_questions as questions
import streamlit as st

URL = os.environ.get("WATTSCOPE_URL", "http://127.0.0.1:8000")


def show_live(send: questions.Send, now: datetime) -> None:
    """Readings of the last hour."""
    rows = questions.read_live(send, now)
    if not rows:
        st.info("No meter has spoken in the last hour.")
        return
    newest = rows[-1]
    meters, power, frequency = st.columns(3)
    meters.metric("Meters", max(row["meters"] for row in rows))
    power.metric("Mean power of a meter", f"{newest['mean_power_w']:.0f} W")
    frequency.metric("Frequency", f"{newest['frequency_hz']:.2f} Hz")
    st.line_chart(rows, x="at", y="mean_power_w")
    st.line_chart(rows, x="at", y="mean_voltage_v")


def show_days(send: questions.Send, now: datetime) -> None:
    """Energy by day."""
    days = st.slider("Days", 1, 60, 14)
    rows = questions.read_daily_totals(send, now, days)
    st.bar_chart(rows, x="day", y="kwh")
    st.dataframe(rows)


def show_meter(send: questions.Send, now: datetime) -> None:
    """One meter's trend."""
    meters = questions.list_meters(send)
    if not meters:
        st.info("There is no meter yet.")
        return
    names = {row["meter"]: row["name"] for row in meters}
    meter = st.selectbox("Meter", list(names), format_func=lambda one: names[one])
    st.line_chart(questions.read_meter_trend(send, meter, now), x="t", y=["min", "mean", "max"])


def show_insights(send: questions.Send, now: datetime, zone: str) -> None:
    """What all meters say together."""
    st.subheader("Mean power of a meter by hour, today")
    st.bar_chart(questions.read_hours_of_today(send, now, zone), x="hour", y="mean_power_w")
    st.subheader("Ten highest quarter hours of seven days")
    st.dataframe(questions.read_peaks(send, now))
    st.subheader("Regions, today and yesterday")
    st.dataframe(questions.read_regions(send, now, zone))
    st.subheader("Energy by meter and month")
    st.dataframe(questions.read_months(send))
    st.subheader("All readings of power")
    st.dataframe(questions.read_whole(send))


def show_page(send: questions.Send, now: datetime) -> None:
    """The whole page."""
    st.title("Grid")
    try:
        zone = questions.find_site(send)["time_zone"]
        live, days, meter, insights = st.tabs(
            ["Live readings", "Daily energy totals", "Meter trends", "Insights"]
        )
        with live:
            show_live(send, now)
        with days:
            show_days(send, now)
        with meter:
            show_meter(send, now)
        with insights:
            show_insights(send, now, zone)
    except questions.AskError as fault:
        st.error(str(fault))


st.set_page_config(page_title="Wattscope: grid", layout="wide")
show_page(questions.over_http(URL), datetime.now(UTC))
