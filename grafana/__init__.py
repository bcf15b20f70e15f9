"""Grafana's dashboards, one a recipe and data source, as code.

``python -m grafana`` writes them to ``deploy/grafana/dashboards/``, where they are committed: who
runs Grafana needs nothing of this folder. ``python -m grafana --check`` says what would change.

    panels       what a panel is, in our words, and its shape in Grafana's
    questions    a question to a data source, and its shape in Grafana's
    boards       a dashboard: panels in rows, variables
    promql, sql  what the questions in a language have in common
    home, heat_pump, solar, plant, grid, home_influx, solar_sql, grid_sql
                 the dashboards of the recipes

They are built with the Grafana Foundation SDK, a tool of development (docs/decisions/).
"""
