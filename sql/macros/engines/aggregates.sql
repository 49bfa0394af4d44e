{# Aggregates that engines spell differently. #}

{# Continuous percentile (linear interpolation) of a column's values that are not null. #}
{% macro percentile(fraction, value) -%}
    {{ return(adapter.dispatch('percentile', 'statsig_runs')(fraction, value)) }}
{%- endmacro %}

{% macro default__percentile(fraction, value) -%}
    percentile_cont({{ fraction }}) within group (order by {{ value }})
{%- endmacro %}

{# Sail's `percentile_cont` rounds the fraction to six digits. #}
{% macro spark__percentile(fraction, value) -%}
    percentile({{ value }}, {{ fraction }})
{%- endmacro %}

{% macro databricks__percentile(fraction, value) -%}
    {{ return(statsig_runs.default__percentile(fraction, value)) }}
{%- endmacro %}

{# BigQuery aggregates percentiles only approximately. #}
{% macro bigquery__percentile(fraction, value) -%}
    approx_quantiles({{ value }}, 1000)[offset({{ (fraction * 1000) | int }})]
{%- endmacro %}


{# A group's texts as one sorted text. Each is led by its length, so that different lists never look the same. #}
{% macro sorted_list(value) -%}
    {{ return(adapter.dispatch('sorted_list', 'statsig_runs')(
        "cast(length(" ~ value ~ ") as " ~ dbt.type_string() ~ ") || ':' || " ~ value, value
    )) }}
{%- endmacro %}

{% macro default__sorted_list(item, value) -%}
    {{ dbt.listagg(item, "','", 'order by ' ~ value) }}
{%- endmacro %}

{% macro spark__sorted_list(item, value) -%}
    concat_ws(',', sort_array(collect_list({{ item }})))
{%- endmacro %}
