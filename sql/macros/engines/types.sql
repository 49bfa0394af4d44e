{# Names of column types, per engine, for casts. The contracts beside the models name the same types. #}

{% macro type_double() -%}
    {{ return(adapter.dispatch('type_double', 'statsig_runs')()) }}
{%- endmacro %}

{% macro default__type_double() -%} double precision {%- endmacro %}

{% macro spark__type_double() -%} double {%- endmacro %}

{% macro bigquery__type_double() -%} float64 {%- endmacro %}


{% macro type_instant() -%}
    {{ return(adapter.dispatch('type_instant', 'statsig_runs')()) }}
{%- endmacro %}

{% macro default__type_instant() -%} timestamp with time zone {%- endmacro %}

{% macro spark__type_instant() -%} timestamp {%- endmacro %}

{% macro bigquery__type_instant() -%} timestamp {%- endmacro %}


{# A text in the type of the contracts: with another text type than theirs, `varchar` beside `text`, dbt takes the tables
   of an incremental build for changed. #}
{% macro text(value) -%}
    cast({{ value }} as {{ adapter.dispatch('type_text', 'statsig_runs')() }})
{%- endmacro %}

{% macro default__type_text() -%} {{ dbt.type_string() }} {%- endmacro %}

{# Redshift's `text` ends after 256 bytes. #}
{% macro redshift__type_text() -%} varchar(65535) {%- endmacro %}
