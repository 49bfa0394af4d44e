{# The marts by name. dbt must know what a test or a model depends on before it has read any `.yml`, so it cannot take
   the names from there. What else is to be known of a mart stands in its `.yml`. #}

{# Those that hold rows of single runs: each build writes the rows of the runs that changed. #}
{% macro marts_of_runs() -%}
    {{ return([
        'fct_runs', 'fct_run_stages', 'fct_source_dates', 'fct_source_date_stages', 'fct_stage_attempts', 'dq_findings',
    ]) }}
{%- endmacro %}


{# The daily ones: each build writes the rows of the days that changed. #}
{% macro daily_marts() -%}
    {{ return(['agg_daily', 'agg_source_daily', 'agg_stage_daily']) }}
{%- endmacro %}


{# Those that each build makes anew. #}
{% macro whole_marts() -%}
    {{ return([
        'fct_date_freshness', 'fct_in_flight_runs', 'fct_loads', 'fct_source_date_reports', 'source_status',
    ]) }}
{%- endmacro %}


{# The keys of a mart that stand twice in it, or beside a word that its `.yml` does not list: `meta.key` of the model,
   `meta.words` of a column. Of a mart of runs, only the rows that this build wrote. #}
{% macro broken_keys_and_words(mart, is_of_runs) -%}
    {%- set rows = ref(mart) -%}
    {%- set written = built_runs() if is_of_runs -%}
    {%- if execute -%}
        {%- set described = graph.nodes['model.statsig_runs.' ~ mart] %}
        select '{{ mart }}' as mart
        from {{ rows }}
        {%- if is_of_runs %}
        where run_id in ({{ written }})
        {%- endif %}
        group by
            {%- for column in described.config.meta.key %}
            {{ identifier(column) }}{{ ',' if not loop.last }}
            {%- endfor %}
        having
            count(*) > 1
            {%- for column in described.columns.values() if column.meta.words %}
            or max(case when {{ column.name }} not in ('{{ column.meta.words | join("', '") }}') then 1 else 0 end) = 1
            {%- endfor %}
    {%- endif -%}
{%- endmacro %}
